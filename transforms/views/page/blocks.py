"""What a page is made of: sections of tables, figures, texts and trees. Pure values, no markup.

Not here: how they look (`page.html.jinja`, `page.css`), what goes into them. Every text is
escaped when the page is written, those of models and prompts like all others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """The head of a table's column."""

    title: str
    unit: str = ""
    kind: Literal["text", "long", "number"] = "text"
    """`long`: texts that take several lines."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: Sequence[str]
    kind: Literal["", "selected", "paper"] = ""
    """`selected`: of the policy that the validation prompts chose; `paper`: printed there."""


@dataclass(frozen=True)
class Table:
    """Rows with a head and a caption."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    folded: bool = False
    """Whether it is shown only when its caption is clicked."""
    counted: str = "rows"
    """What its rows are, as the caption of a folded table counts them."""


@dataclass(frozen=True)
class Figure:
    """A drawing: SVG that this package has made, never a text from elsewhere."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Fact:
    """A name and what it stands for."""

    name: str
    text: str


@dataclass(frozen=True)
class Facts:
    """A list of names and what they stand for."""

    facts: Sequence[Fact]


@dataclass(frozen=True)
class Example:
    """A prompt and what models answered."""

    prompt: str
    answers: Sequence[tuple[str, str, str]]
    """Model, its answer, and what is measured of it."""


@dataclass(frozen=True)
class Node:
    """An output in a tree of what something was made from."""

    relation: str
    name: str
    note: str
    inputs: Sequence["Node"] = ()


@dataclass(frozen=True)
class Tree:
    """What something was made from."""

    caption: str
    root: Node
    folded: bool = False


Block = Table | Figure | Text | Facts | Example | Tree


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading and a place in its table of contents."""

    anchor: str
    title: str
    lead: str
    """What the section answers, one or two sentences."""
    blocks: Sequence[Block]
    absent: str = ""
    """The one line that is shown where there are no blocks."""


@dataclass(frozen=True)
class Chapter:
    """The sections of one lake, or of what lakes have in common."""

    anchor: str
    title: str
    sections: Sequence[Section]
