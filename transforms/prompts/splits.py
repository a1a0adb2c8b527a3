"""Splits of the prompts: held out for measurements, or sampled in iteration t.

One function from a prompt's id to its split is applied to prompts, pairs and demonstrations. A
split depends only on the prompt's hash and the settings. So a new source changes the split of no
other prompt, and a held-out prompt is held out in all tables.

Paper, section 3.3: disjoint prompt sets for the iterations. The held-out splits are an addition:
upstream measures its reward models on rows of their own training set.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.lake.asset_names import ITERATION, iteration_name
from transforms.lake.schemas import schema_of
from transforms.settings.prompts import SplitSettings

HASH_DIGITS = 13
"""Hexadecimal digits of the hash that decide the split: 52 bits, exact in a float."""

HELD_OUT = ("evaluation", "validation", "promotion")
"""Splits whose prompts are in no training table."""


PROMPT_COLUMNS = ("prompt_id", "source", "prompt_chars")
"""Columns of `prompts` that are split; texts stay in the table."""


class TokenLimit(NamedTuple):
    """The longest prompt that is used, in tokens."""

    most: int
    """Maximum number of tokens of a prompt."""
    count_tokens: Callable[[pl.DataFrame], pl.Series]
    """Counts the tokens of prompts, which have a prompt_id."""


def assign_split(prompt_id: pl.Expr | str, splits: SplitSettings, iterations: int) -> pl.Expr:
    """Return the split of a prompt: a held-out one, length_study, or iteration_<t>.

    The hash is read as a number u in [0, 1). The fractions of the first five splits are consecutive
    intervals; the rest is divided evenly among the iterations.
    """
    column = pl.col(prompt_id) if isinstance(prompt_id, str) else prompt_id
    u = column.str.slice(0, HASH_DIGITS).str.to_integer(base=16) / 16**HASH_DIGITS
    evaluation = splits.evaluation_fraction
    validation = evaluation + splits.validation_fraction
    measured = validation + splits.reward_validation_fraction
    studied = measured + splits.length_study_fraction
    held = studied + splits.promotion_fraction
    # u just below 1 can round up to the end of the last interval
    iteration = ((u - held) / (1 - held) * iterations).floor().clip(0, iterations - 1)
    return (
        pl.when(u < evaluation).then(pl.lit("evaluation"))
        .when(u < validation).then(pl.lit("validation"))
        .when(u < measured).then(pl.lit("reward_validation"))
        .when(u < studied).then(pl.lit("length_study"))
        .when(u < held).then(pl.lit("promotion"))
        .when(u.is_not_null()).then(pl.format(f"{ITERATION}{{}}", iteration.cast(pl.Int32) + 1))
    )  # fmt: skip


def hold_out_pairs(
    pairs: pl.DataFrame, splits: SplitSettings, iterations: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the column `split`, train or reward_validation, and drop pairs of held-out prompts.

    Args:
        pairs: `preference_pairs` without `split`.
        splits: fractions.
        iterations: number of iterations of the loop.
    """
    kept, dropped = _hold_out("preference_pairs", pairs, splits, iterations)
    measured = pl.col("split") == "reward_validation"
    split = pl.when(measured).then(pl.col("split")).otherwise(pl.lit("train"))
    return kept.with_columns(split=split).select(list(schema_of("preference_pairs"))), dropped


def hold_out_demonstrations(
    demonstrations: pl.DataFrame, splits: SplitSettings, iterations: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drop demonstrations whose prompt is in one of `HELD_OUT`."""
    kept, dropped = _hold_out("demonstrations", demonstrations, splits, iterations)
    return kept.drop("split"), dropped


def split_prompts(
    prompts: pl.DataFrame, splits: SplitSettings, iterations: int, limit: TokenLimit | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split prompts (`PROMPT_COLUMNS`) into `prompt_splits` (by split and hash) and `dropped_rows`.

    A prompt longer than `max_prompt_chars` or `limit` is in no split. A split over its cap keeps
    the lowest hashes, so that a higher cap only adds prompts. Tokens are counted only of prompts
    that a split would keep.

    Raises:
        InputError: a split has no prompt.
    """
    most = splits.max_prompt_chars
    is_long = pl.lit(False) if most is None else pl.col("prompt_chars") > most
    caps = _list_caps(splits, iterations)
    placed = prompts.filter(~is_long).with_columns(
        split=assign_split("prompt_id", splits, iterations)
    )
    ranked, many_tokens = _rank_fitting(placed, caps, limit)
    too_long = pl.concat(
        [
            _drop_long(prompts.filter(is_long), "prompt_chars", "characters", most),
            _drop_long(many_tokens, "tokens", "tokens", limit and limit.most),
        ]
    )
    used = pl.col("rank") <= pl.col("cap")
    kept = ranked.filter(used)
    _require_all(kept, caps, prompts.height, too_long.height)
    over = pl.format("number {} of {}, at most {}", "rank", "split", "cap")
    unused = ranked.filter(used.not_().fill_null(True)).with_columns(
        row_key=pl.col("prompt_id"),
        reason=pl.when(pl.col("cap").is_null()).then("split").otherwise(pl.lit("over_cap")),
        evidence=pl.when(pl.col("cap").is_null())
        .then(pl.lit("its pairs measure the reward model"))
        .otherwise(over),
    )
    dropped = pl.concat([too_long, unused.select(too_long.columns)])
    return (
        kept.select(list(schema_of("prompt_splits"))),
        dropped.with_columns(table=pl.lit("prompt_splits")).select(list(schema_of("dropped_rows"))),
    )


def _list_caps(splits: SplitSettings, iterations: int) -> dict[str, int]:
    """Return the highest number of prompts of each split; `reward_validation` keeps none."""
    names = [iteration_name(t) for t in range(1, iterations + 1)]
    caps = dict.fromkeys(names, splits.prompts_per_iteration) | {
        "validation": splits.validation_prompts,
        "evaluation": splits.evaluation_prompts,
    }
    if splits.length_study_fraction:
        caps["length_study"] = splits.length_study_prompts
    if splits.promotion_fraction:
        caps["promotion"] = splits.promotion_prompts
    return caps


def _rank_fitting(
    placed: pl.DataFrame, caps: Mapping[str, int], limit: TokenLimit | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rank the prompts of each split by hash, without those that have too many tokens.

    Returns:
        The rows of `placed` that are not too long, with cap and rank (from 1); and the others,
        with tokens.
    """
    cap = pl.col("split").replace_strict(caps, default=None, return_dtype=pl.Int64)
    remaining = placed.sort("split", "prompt_id").with_columns(cap=cap)
    counted = pl.DataFrame(schema={"prompt_id": pl.String, "tokens": pl.Int64})
    long = remaining.clear().with_columns(tokens=pl.lit(None, pl.Int64))
    while True:
        ranked = remaining.with_columns(rank=pl.int_range(1, pl.len() + 1).over("split"))
        if limit is None:
            return ranked, long
        new = ranked.filter(pl.col("rank") <= pl.col("cap")).join(
            counted, on="prompt_id", how="anti", maintain_order="left"
        )
        if new.is_empty():
            return ranked, long
        new = new.drop("rank").with_columns(tokens=limit.count_tokens(new).cast(pl.Int64))
        counted = pl.concat([counted, new.select(counted.columns)])
        found = new.filter(pl.col("tokens") > limit.most)
        long = pl.concat([long, found])
        remaining = remaining.join(found, on="prompt_id", how="anti", maintain_order="left")


def _drop_long(rows: pl.DataFrame, length: str, unit: str, most: int | None) -> pl.DataFrame:
    return rows.select(
        "prompt_id",
        "source",
        row_key=pl.col("prompt_id"),
        reason=pl.lit("too_long"),
        evidence=pl.format(f"{{}} {unit}, at most {{}}", length, pl.lit(most)),
    )


def _require_all(kept: pl.DataFrame, caps: Mapping[str, int], prompts: int, too_long: int) -> None:
    """Refuse splits without a prompt."""
    counts = dict(kept.group_by("split").len().sort("split").iter_rows())
    if missing := [name for name in caps if name not in counts]:
        found = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise InputError(
            f"no prompt is in split {', '.join(missing)}",
            expected="at least one prompt in every split",
            found=f"{prompts} prompts, {too_long} of them too long: {found or 'none'}",
            remedy="add prompts, increase the fraction in `splits`, run fewer iterations, or"
            " sample with a larger max_context_tokens or a smaller max_tokens",
        )


def _hold_out(
    table: str, rows: pl.DataFrame, splits: SplitSettings, iterations: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    placed = rows.with_columns(split=assign_split("prompt_id", splits, iterations))
    held = pl.col("split").is_in(HELD_OUT)
    dropped = placed.filter(held).with_columns(
        table=pl.lit(table),
        reason=pl.lit("held_out_prompt"),
        evidence=pl.format("prompt {} is in {}", "prompt_id", "split"),
    )
    return placed.filter(~held), dropped.select(list(schema_of("dropped_rows")))
