"""How figures, ids and long texts are written for people, on a page and on a terminal.

Not here: tables of a page (`transforms.views.page.cells`) and of a terminal (`assets.cli.console`),
labels of models (`transforms.lake.asset_names`).
"""

from collections.abc import Iterable

ID_CHARS = 12
"""Digits of a checkpoint id that are shown; every command that takes an id takes them."""

SHORTEST_ID = 6
"""Fewest digits of an id by which a person may name it."""

BESIDE = ("_se", "_within_se", "_low", "_high")
"""Ends of the columns that are written beside the column without: its errors and its interval."""


def find_attached_columns(columns: Iterable[str]) -> set[str]:
    """Return the columns that are written beside another one of the same frame."""
    names = set(columns)
    return {name + end for name in names for end in BESIDE} & names


def estimate(value: str, error: str = "", within: str = "", low: str = "", high: str = "") -> str:
    """Join what was written of a figure: `value ± error (within) [low, high]`, as far as it is."""
    if not value:
        return ""
    text = value
    if error:
        text += f" ± {error}"
    if within:
        text += f" ({within})"
    if low and high:
        text += f" [{low}, {high}]"
    return text


def shorten_id(output_id: str) -> str:
    """Shorten a checkpoint id; a table at a version stays whole."""
    return output_id if "@" in output_id else output_id[:ID_CHARS]


def cut(text: str, chars: int) -> str:
    """Cut a text to a number of characters, the last one an ellipsis where it was longer."""
    return text if len(text) <= chars else text[: chars - 1] + "…"
