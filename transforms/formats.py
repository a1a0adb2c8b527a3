"""Formats of estimates, quantities, ids and long texts, on the HTML page and on the terminal.

Not here: tables of a page (`transforms.views.page.cells`) and of a terminal (`assets.cli.console`),
labels of models (`transforms.lake.asset_names`).
"""

from collections.abc import Iterable

ID_CHARS = 12
"""Digits of a checkpoint id that are shown; every command with an id accepts them."""

SHORTEST_ID = 6
"""Fewest digits of an id that a command accepts."""

GLUED = "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}"
"""The sign between a value and its error, with spaces at which no line is broken."""

ATTACHED = ("_se", "_within_se", "_low", "_high")
"""Endings of attached columns: errors and interval of the column without the ending."""


def find_attached_columns(columns: Iterable[str]) -> set[str]:
    """Return the columns with errors and intervals of another column of the frame."""
    names = set(columns)
    return {name + end for name in names for end in ATTACHED} & names


def format_estimate(
    value: str, error: str = "", within: str = "", low: str = "", high: str = ""
) -> str:
    """Join formatted numbers to `value ± error (within) [low, high]`; empty parts are left out."""
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


def glue_estimates(text: str) -> str:
    """Join each `value ± error` of a text by no-break spaces, so that a line does not end in it."""
    return text.replace(" ± ", GLUED)


def shorten_id(output_id: str) -> str:
    """Shorten a checkpoint id; an id of a table version is unchanged."""
    return output_id if "@" in output_id else output_id[:ID_CHARS]


def cut(text: str, chars: int) -> str:
    """Cut a text to a number of characters; a cut text ends with an ellipsis."""
    return text if len(text) <= chars else text[: chars - 1] + "…"


def format_quantity(value: float | None) -> str:
    """Return a number with three digits and k, M, B (10^9) or T; an unknown one is empty."""
    if value is None:
        return ""
    for unit, size in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= 0.9995 * size:
            return f"{format_digits(value / size)} {unit}"
    return format_digits(value)


def format_digits(value: float | None) -> str:
    """Return a number with three digits, or with all digits before the point."""
    if value is None:
        return ""
    decimals = 0 if abs(value) >= 99.95 or value == 0 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{decimals}f}"


def format_seconds(value: float) -> str:
    """Format a duration: 41 s, 5 min 51 s, 3 h 20 min."""
    whole = round(value)
    if whole < 60:
        return f"{value:.1f} s" if value < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
