"""Names that a recipe gives to its parts: sources, experiments, mixtures, benchmarks.

Such a name becomes a part of table names, asset names, SQL and folders. Some of them do not
distinguish upper and lower case, and some give a quote or a slash a meaning. So every name consists
of lower-case letters, digits and underscores.
"""

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST = 64
"""Largest number of characters of a name."""


def is_name(text: str) -> bool:
    """Check whether a text can be a name."""
    return len(text) <= LONGEST and re.fullmatch(r"[a-z][a-z0-9_]*", text) is not None


def require_name(name: str) -> str:
    """Return the name.

    Raises:
        ValueError: it has other characters, or does not begin with a letter, or is too long.
    """
    if not is_name(name):
        raise ValueError(
            f"a name is a lower-case letter and then lower-case letters, digits or _, at most"
            f" {LONGEST} characters"
        )
    return name


Name = Annotated[str, AfterValidator(require_name)]
