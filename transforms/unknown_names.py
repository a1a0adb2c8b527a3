"""The error about a name that is not known, with the names that look like it."""

from collections.abc import Collection
from difflib import get_close_matches

from transforms.errors import InputError

SHOWN = 3
"""Most names in a suggestion."""


def refuse_unknown(
    noun: str, names: Collection[str], known: Collection[str], remedy: str
) -> InputError:
    """Return the error about unknown names.

    Args:
        noun: what has the name, such as `report`.
        names: the unknown names.
        known: all known names.
        remedy: what to do if no known name is near.
    """
    near = list_near(names, known)
    return InputError(
        f"no such {noun}",
        expected=f"one of {', '.join(known) or 'none: there are no names'}",
        found=", ".join(names),
        remedy=f"did you mean {near}?" if near else remedy,
    )


def list_near(names: Collection[str], known: Collection[str]) -> str:
    """Return the known names that look like some others, joined by `or`; empty if none does."""
    near = [match for name in names for match in get_close_matches(name, known, SHOWN)]
    return " or ".join(dict.fromkeys(near))
