"""Building blocks of the page: sections of tables, figures, texts and trees, without markup.

Not here: their HTML (`page.html.jinja`, `page.css`). Every text, such as a prompt or a response, is
escaped when the page is written.
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
    """`long`: texts of several lines."""


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    cells: Sequence[str]
    kind: Literal["", "selected", "paper"] = ""
    """`selected`: about the policy that the validation prompts selected; `paper`: of the paper."""


@dataclass(frozen=True)
class Table:
    """Rows with a head and a caption."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    folded: bool = False
    """Whether the rows are hidden until the caption is clicked."""
    counted: str = "rows"
    """Noun for the rows; a folded table shows their number after the caption."""


@dataclass(frozen=True)
class Figure:
    """A figure: SVG rendered by this project. It is the only text that is not escaped."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    is_headline: bool = False


@dataclass(frozen=True)
class Fact:
    """A name and its value."""

    name: str
    text: str


@dataclass(frozen=True)
class Facts:
    """A list of names and values."""

    facts: Sequence[Fact]


@dataclass(frozen=True)
class Example:
    """A prompt and the answers of models."""

    prompt: str
    answers: Sequence[tuple[str, str, str]]
    """Model, its answer, and the answer's measurements."""


@dataclass(frozen=True)
class Node:
    """An output in a tree of ancestors."""

    relation: str
    name: str
    note: str
    inputs: Sequence["Node"] = ()


@dataclass(frozen=True)
class Tree:
    """The ancestors of an output."""

    caption: str
    root: Node
    folded: bool = False


@dataclass(frozen=True)
class Group:
    """Blocks that are hidden until the caption is clicked."""

    caption: str
    blocks: Sequence["Block"]
    folded: bool = True


Block = Table | Figure | Text | Facts | Example | Tree | Group


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading and a place in its table of contents."""

    anchor: str
    title: str
    lead: str
    """The question that the section answers, one or two sentences."""
    blocks: Sequence[Block]
    absent: str = ""
    """The line that is shown if there are no blocks."""


@dataclass(frozen=True)
class Chapter:
    """The sections of one lake, or of all lakes together."""

    anchor: str
    title: str
    sections: Sequence[Section]
