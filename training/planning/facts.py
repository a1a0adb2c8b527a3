"""Facts that a plan rests on: a number, where it comes from, and how it can be replaced."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Origin = Literal["measured", "recipe", "published", "assumed"]
"""`measured`: in a lake or in files of this machine; `recipe`: given or implied by the recipe;
`published`: by the authors of data, model or GPU; `assumed`: none of these."""
ORIGINS: tuple[Origin, ...] = ("recipe", "measured", "published", "assumed")
"""From the surest to the least sure."""


@dataclass(frozen=True)
class Fact:
    """One number with its origin."""

    name: str
    value: float
    unit: str
    origin: Origin
    source: str
    """What measured or published it, or the setting that gives or replaces it."""
    subject: str = ""
    """The source of data that it is about, if it is about one."""


def find_weakest(facts: Iterable[Fact]) -> Origin:
    """Return the least sure origin of several facts."""
    return max((fact.origin for fact in facts), key=ORIGINS.index, default="recipe")
