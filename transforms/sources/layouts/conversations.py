"""Expressions that convert native texts and turns to message lists.

Every catalogue entry uses them: one function per format of conversations. Not here: single datasets
(`transforms.sources.catalog`), the rules that drop conversations
(`transforms.sources.intake.preferences`). These functions drop no rows: rules do so later, with a
reason.
"""

from collections.abc import Mapping
from itertools import zip_longest

import msgspec
import polars as pl

from transforms.lake.schemas.table import MESSAGES
from transforms.sources.layouts.blank_text import is_blank

SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "system": "system",
    "observation": "user",
    "function_call": "assistant",
}
"""Names of speakers in ShareGPT and similar formats; other names are kept."""


def make_turn(role: str, text: pl.Expr) -> pl.Expr:
    """Make a conversation of one turn; null if the text is null."""
    message = pl.struct(role=pl.lit(role), content=text)
    return pl.when(text.is_not_null()).then(pl.concat_list(message)).cast(MESSAGES)


def append_response(prompt: pl.Expr, response: pl.Expr) -> pl.Expr:
    """Append a response (text) to a prompt (messages); null if either is null."""
    return join_conversations(prompt, make_turn("assistant", response))


def join_conversations(first: pl.Expr, second: pl.Expr) -> pl.Expr:
    """Join two conversations; null if either is null."""
    # pl.concat_list takes ten to thirty times longer for lists of structs
    both = pl.struct(first=first, second=second)
    return both.map_batches(_join_lists, return_dtype=MESSAGES, is_elementwise=True)


def _join_lists(both: pl.Series) -> pl.Series:
    rows = both.struct.unnest().with_row_index("row")
    whole = rows.filter(pl.all_horizontal(pl.col("first", "second").is_not_null()))
    sides = [
        whole.select("row", turn=side).filter(pl.col("turn").list.len() > 0).explode("turn")
        for side in ("first", "second")
    ]
    lists = pl.concat(sides).group_by("row").agg("turn")  # the order within a group is kept
    found = (
        whole.select("row")
        .join(lists, on="row", how="left")
        .with_columns(pl.col("turn").fill_null([]))
    )
    return rows.select("row").join(found, on="row", how="left", maintain_order="left")["turn"]


def prepend_system(system: pl.Expr, messages: pl.Expr) -> pl.Expr:
    """Put a system turn before a conversation, unless its text is blank."""
    return (
        pl.when(~is_blank(system))
        .then(join_conversations(make_turn("system", system), messages))
        .otherwise(messages)
    )


def join_instruction(instruction: pl.Expr, context: pl.Expr) -> pl.Expr:
    """Join an instruction and its input, which may be blank, to one text."""
    text = pl.concat_str(instruction, context, separator="\n\n")
    return pl.when(~is_blank(context)).then(text).otherwise(instruction)


def read_history(column: str) -> pl.Expr:
    """Read a history: a list of [user's text, assistant's text]; a missing text becomes null."""
    texts = pl.element().list
    turns = pl.concat_list(
        pl.struct(role=pl.lit(role), content=texts.get(number, null_on_oob=True))
        for number, role in enumerate(("user", "assistant"))
    )
    return pl.col(column).list.eval(turns.explode(empty_as_null=False)).cast(MESSAGES)


def read_typed_parts(column: str) -> pl.Expr:
    """Read turns whose content is a list of {type, value} parts.

    The text parts are joined. The content is null if a part is not text.
    """
    parts = pl.element().struct.field("content")
    texts = parts.list.eval(
        pl.when(pl.element().struct.field("type") == "text")
        .then(pl.element().struct.field("value"))
    )  # fmt: skip
    content = pl.when(texts.list.eval(pl.element().is_not_null()).list.all()).then(
        texts.list.join("")
    )
    return pl.col(column).list.eval(
        pl.struct(role=pl.element().struct.field("role"), content=content)
    )


def read_json_turns(questions: str, answers: str) -> pl.Expr:
    """Interleave two columns with JSON lists of texts: the user's turns and the assistant's.

    Null if a column contains other JSON. If one list is shorter, its missing turns are null.
    """

    def read(rows: pl.Series) -> pl.Series:
        read_rows = (_interleave(row[questions], row[answers]) for row in rows)
        return pl.Series(list(read_rows), dtype=MESSAGES)

    return pl.struct(questions, answers).map_batches(read, return_dtype=MESSAGES)


def _interleave(questions: str | None, answers: str | None) -> list[dict[str, str | None]] | None:
    try:
        sides = [
            msgspec.json.decode(text or "", type=list[str | None]) for text in (questions, answers)
        ]
    except msgspec.DecodeError:
        return None
    return [
        {"role": role, "content": text}
        for texts in zip_longest(*sides)
        for role, text in zip(("user", "assistant"), texts, strict=True)
    ]


def rename_turns(
    column: str,
    role: str = "role",
    content: str = "content",
    roles: Mapping[str, str] | None = None,
) -> pl.Expr:
    """Rename the fields of a list of turns, and its speakers if `roles` is given."""
    speaker = pl.element().struct.field(role)
    if roles:
        speaker = speaker.replace(dict(roles))
    return pl.col(column).list.eval(
        pl.struct(role=speaker, content=pl.element().struct.field(content))
    )


def read_sharegpt(column: str) -> pl.Expr:
    """Read a list of {from, value} turns (`SHAREGPT_ROLES`)."""
    return rename_turns(column, "from", "value", SHAREGPT_ROLES)


START, BY_USER, BY_ASSISTANT = "\ufdd0", "\ufdd1", "\ufdd2"
"""Unicode noncharacters, reserved for use inside a program (Unicode Standard, section 23.7)."""


def split_transcript(column: str, user: str, assistant: str) -> pl.Expr:
    r"""Split a text at the markers that begin its turns, such as "\n\nHuman:".

    Text before the first marker becomes a system turn. White space around a turn is stripped. Null
    if the text is null, or contains the noncharacters that the split uses.
    """
    return split_text(pl.col(column), user, assistant)


def split_text(text: pl.Expr, user: str, assistant: str) -> pl.Expr:
    """Split a text, given as an expression, like `split_transcript`."""
    # literal replacement and split take a fifth of the time of a regular expression
    clean = pl.when(~text.str.contains_any([START, BY_USER, BY_ASSISTANT])).then(text)
    marked = clean.str.replace_many([user, assistant], [START + BY_USER, START + BY_ASSISTANT])
    part = pl.element()
    parts = marked.str.strip_chars_start().str.split(START).list.filter(part != "")
    speaker = (
        pl.when(part.str.starts_with(BY_USER)).then(pl.lit("user"))
        .when(part.str.starts_with(BY_ASSISTANT)).then(pl.lit("assistant"))
        .otherwise(pl.lit("system"))
    )  # fmt: skip
    content = part.str.strip_chars_start(BY_USER + BY_ASSISTANT).str.strip_chars()
    return parts.list.eval(pl.struct(role=speaker, content=content))


def drop_last_turn(messages: pl.Expr) -> pl.Expr:
    """Drop the last turn of a conversation; an empty one stays empty."""
    turns = messages.list.len().cast(pl.Int64)
    return messages.list.head((turns - 1).clip(lower_bound=0))


def drop_open_turn(messages: pl.Expr) -> pl.Expr:
    """Drop a last assistant turn with a blank text: the place for the response."""
    last = messages.list.last()
    text = last.struct.field("content")
    is_open = (last.struct.field("role") == "assistant") & text.is_not_null() & is_blank(text)
    return pl.when(is_open).then(drop_last_turn(messages)).otherwise(messages)


def treat_system_turn(messages: pl.Expr, treatment: str) -> pl.Expr:
    """Fold a leading system turn into the first user turn, remove it, or keep it.

    Args:
        messages: conversations.
        treatment: `fold` (a blank system turn adds nothing), `remove`, or `drop`: the turn stays,
            and a rule drops the row.
    """
    if treatment == "drop":
        return messages
    led = messages.list.first().struct.field("role") == "system"
    rest = messages.list.slice(1)
    if treatment == "remove":
        return pl.when(led).then(rest).otherwise(messages)
    first, second = messages.list.get(0, null_on_oob=True), messages.list.get(1, null_on_oob=True)
    texts = [turn.struct.field("content") for turn in (first, second)]
    text = (
        pl.when(is_blank(texts[0])).then(texts[1]).otherwise(pl.concat_str(texts, separator="\n\n"))
    )
    folded = pl.concat_list(
        pl.struct(role=second.struct.field("role"), content=text), messages.list.slice(2)
    )
    followed = led & (second.struct.field("role") == "user")
    return pl.when(followed).then(folded).otherwise(messages)
