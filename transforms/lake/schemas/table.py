"""How a table describes itself: grain, and type, meaning and unit of each column.

Not here: the tables (the other files of this package). The same declaration is enforced on write,
and shown by `.schema` in `prefloop sql`, on the Dagster pages, on the report page and in
`docs/guide/tables.md`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl

DataType = pl.DataType | type[pl.DataType]

Schema = dict[str, DataType]
"""Columns of a table in order, with their types."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    dtype: DataType
    meaning: str
    """One short line; `a | b | c` lists the values that the column may have."""
    unit: str | None = None
    """Unit of a number, such as `tokens`, `seconds` or `nats`; none of text, ids and counts whose
    meaning says what is counted. A `share` is between 0 and 1."""

    @property
    def type_name(self) -> str:
        """Short name of the type: `text`, `int32`, `float64`, `bool`, `time (UTC)`, `messages`."""
        return type_name(self.dtype)

    @property
    def text(self) -> str:
        """The meaning, with the unit in front of it where there is one."""
        return f"[{self.unit}] {self.meaning}" if self.unit else self.meaning


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its columns in order, and how its files are divided."""

    grain: str
    """One sentence that begins with `One row per`; more sentences where it needs them."""
    columns: Mapping[str, Column]
    partitions: Sequence[str] = ()
    """Columns that the table's files are divided by, the outermost first."""

    @cached_property
    def schema(self) -> Schema:
        """Columns in order, with their types."""
        return {name: column.dtype for name, column in self.columns.items()}


def type_name(dtype: DataType) -> str:
    """Name a type shortly; a list of (role, content) is `messages`."""
    if dtype == pl.String:
        return "text"
    if dtype == pl.Boolean:
        return "bool"
    if isinstance(dtype, pl.Datetime):
        return "time (UTC)"
    if isinstance(dtype, pl.Struct):
        return f"({', '.join(field.name for field in dtype.fields)})"
    if isinstance(dtype, pl.List):
        inner = type_name(dtype.inner)
        return "messages" if inner == "(role, content)" else f"list of {inner}"
    return str(dtype).lower()
