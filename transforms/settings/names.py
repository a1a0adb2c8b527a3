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


def require_name(name: str) -> str:
    """Return the name.

    Raises:
        ValueError: it has other characters, or does not begin with a letter, or is too long.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or len(name) > LONGEST:
        raise ValueError(
            f"a name is a lower-case letter and then lower-case letters, digits or _, at most"
            f" {LONGEST} characters"
        )
    return name


Name = Annotated[str, AfterValidator(require_name)]
