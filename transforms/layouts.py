"""Native rows to standard columns: one function a role, one branch a layout.

Lives here: which native columns a layout has and how they become message lists. Not here: reading
(`transforms.reading`) and judging rows (`transforms.preferences`): a row that is oddly shaped stays
in, for a filter to drop with a reason.

`standard_pairs` is the published format of the method's preference data: `chosen` and `rejected`
hold whole conversations, the prompt is their shared prefix, scores are optional and arrive as
numbers, text or null depending on the dataset.
"""

import polars as pl

from transforms.errors import InputError
from transforms.schemas import MESSAGES

MARKER = "\n\n(?:Human|Assistant):"
"""Starts a turn in the transcripts of Bai et al. 2022 (arXiv 2204.05862), `Anthropic/hh-rlhf`."""

PAIR_LAYOUTS = ("standard_pairs", "hh_transcripts")


def to_demonstrations(raw: pl.DataFrame, layout: str) -> pl.DataFrame:
    """One row per native row: row_key, messages. Of a pair, the chosen conversation.

    Raises:
        InputError: the layout gives no demonstrations, or a native column is missing or mistyped.
    """
    if layout in PAIR_LAYOUTS:
        return raw.select("row_key", messages=_conversation(raw, "chosen", layout))
    if layout == "messages":
        return raw.select("row_key", messages=_conversation(raw, "messages", layout))
    raise _no_role(layout, "demonstrations", ("messages", *PAIR_LAYOUTS))


def to_pairs(raw: pl.DataFrame, layout: str) -> pl.DataFrame:
    """One row per native row: row_key, both whole conversations, both scores (null without one).

    A score that is present but not a number (some sets write `N/A`) becomes NaN, not null, so that
    the filter of pairs drops it instead of taking the pair for an unscored one.

    Raises:
        InputError: the layout gives no pairs, or a native column is missing or mistyped.
    """
    if layout not in PAIR_LAYOUTS:
        raise _no_role(layout, "preferences", PAIR_LAYOUTS)
    return raw.select(
        "row_key",
        chosen_messages=_conversation(raw, "chosen", layout),
        rejected_messages=_conversation(raw, "rejected", layout),
        chosen_score=_score(raw, "chosen_score"),
        rejected_score=_score(raw, "rejected_score"),
    )


def to_prompts(raw: pl.DataFrame, layout: str) -> pl.DataFrame:
    """One row per native row: row_key, prompt (messages). Of a pair, the chosen side's prefix.

    Raises:
        InputError: the layout gives no prompts, or a native column is missing or mistyped.
    """
    if layout in PAIR_LAYOUTS:
        chosen = to_demonstrations(raw, layout)
        return chosen.select("row_key", prompt=all_but_last("messages"))
    if layout == "context_messages":
        return raw.select("row_key", prompt=_conversation(raw, "context_messages", layout))
    raise _no_role(layout, "prompts", ("context_messages", *PAIR_LAYOUTS))


def all_but_last(column: str) -> pl.Expr:
    """Drop the last turn of a conversation; of an empty one, nothing."""
    turns = pl.col(column).list.len().cast(pl.Int64)
    return pl.col(column).list.head((turns - 1).clip(lower_bound=0))


def _conversation(raw: pl.DataFrame, column: str, layout: str) -> pl.Expr:
    """Read a native column as a message list."""
    if layout == "hh_transcripts":
        _require(raw, column, layout, "text with Human/Assistant markers", [pl.String])
        return _parse_transcript(raw, column)
    dtype = raw.schema.get(column)
    fields = dtype.inner.to_schema() if _is_messages(dtype) else {}
    if fields.get("role") != pl.String or fields.get("content") != pl.String:
        _require(raw, column, layout, "a list of {role, content} messages", [])
    turn = pl.element().struct
    return pl.col(column).list.eval(
        pl.struct(role=turn.field("role"), content=turn.field("content"))
    )


def _is_messages(dtype: pl.DataType | None) -> bool:
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Struct)


def _parse_transcript(raw: pl.DataFrame, column: str) -> pl.Expr:
    """Split a transcript at its markers; text before the first one becomes a system turn."""
    text = pl.col(column)
    marked = raw.select(text.str.contains(MARKER).any()).item()
    if raw.height and not marked:
        first = raw.select(text.drop_nulls().str.slice(0, 60).first()).item()
        raise InputError(
            f"source column {column} has no transcript",
            expected="'\\n\\nHuman:' and '\\n\\nAssistant:' markers in layout hh_transcripts",
            found=repr(first),
            remedy="choose the layout that the source has",
        )
    roles = text.str.extract_all(MARKER).list.eval(
        pl.when(pl.element().str.contains("Human", literal=True))
        .then(pl.lit("user"))
        .otherwise(pl.lit("assistant"))
    )
    parts = text.str.split(MARKER, literal=False).list.eval(pl.element().str.strip_chars())
    first = parts.list.first().fill_null("")
    led = first.str.len_chars() > 0
    frame = raw.select(
        text,
        roles=pl.when(led).then(pl.concat_list(pl.lit("system"), roles)).otherwise(roles),
        contents=pl.when(led).then(parts).otherwise(parts.list.slice(1)),
    )
    turns = (
        frame.with_row_index()
        .filter(pl.col("roles").list.len() > 0)
        .explode("roles", "contents")
        .group_by("index", maintain_order=True)
        .agg(messages=pl.struct(role="roles", content="contents"))
    )
    indexed = (
        frame.select(column)
        .with_row_index()
        .join(turns, on="index", how="left", maintain_order="left")
    )
    messages = indexed.select(
        pl.when(pl.col(column).is_not_null()).then(
            pl.col("messages").fill_null(pl.lit([], dtype=MESSAGES))
        )
    )
    return pl.lit(messages.to_series(), dtype=MESSAGES)


def _score(raw: pl.DataFrame, column: str) -> pl.Expr:
    """Read a score column as f64; a source without the column has null scores."""
    if column not in raw.columns:
        return pl.lit(None, dtype=pl.Float64)
    score = pl.col(column).cast(pl.Float64, strict=False)
    return (
        pl.when(pl.col(column).is_not_null() & score.is_null()).then(float("nan")).otherwise(score)
    )


def _require(raw: pl.DataFrame, column: str, layout: str, what: str, dtypes: list) -> None:
    if column in raw.columns and raw.schema[column] in dtypes:
        return
    native = ", ".join(
        f"{name}: {dtype}" for name, dtype in raw.schema.items() if name != "row_key"
    )
    raise InputError(
        f"source column {column} does not fit layout {layout}",
        expected=f"{column}: {what}",
        found=native or "no columns",
        remedy="choose the layout that the source has, or rename the source's columns",
    )


def _no_role(layout: str, role: str, layouts: tuple[str, ...]) -> InputError:
    return InputError(
        f"layout {layout} gives no {role}",
        expected=f"one of {', '.join(layouts)}",
        found=layout,
        remedy="change the source's layout or role",
    )
