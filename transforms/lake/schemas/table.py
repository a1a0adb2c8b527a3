"""Declarations of tables: the classes `Table` and `Column`, and the columns that tables share.

A declaration has the grain of a table, and the type, meaning and unit of each column. Not here: the
tables themselves (the other files of this package).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl
from polars.datatypes import DataTypeClass

DataType = pl.DataType | DataTypeClass

Schema = dict[str, DataType]
"""Columns of a table in order, with their types."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    dtype: DataType
    meaning: str
    """One short line; `a | b | c` lists the possible values of the column."""
    unit: str | None = None
    """Unit of a number: `tokens`, `seconds`, `nats`, …; a `share` is between 0 and 1. None for
    text, ids, and counts, whose meaning names the counted things."""

    @property
    def type_name(self) -> str:
        """Short name of the type: `text`, `int32`, `float64`, `bool`, `time (UTC)`, `messages`."""
        return type_name(self.dtype)

    @property
    def text(self) -> str:
        """The meaning, preceded by the unit if there is one."""
        return f"[{self.unit}] {self.meaning}" if self.unit else self.meaning


@dataclass(frozen=True)
class Table:
    """One table: its grain, its columns in order, and the partitions of its files."""

    grain: str
    """A sentence that begins with `One row per`; more sentences if needed."""
    columns: Mapping[str, Column]
    partitions: Sequence[str] = ()
    """Columns by which the table's files are divided, the outermost first."""

    @cached_property
    def schema(self) -> Schema:
        """Columns in order, with their types."""
        return {name: column.dtype for name, column in self.columns.items()}


def type_name(dtype: DataType) -> str:
    """Return the short name of a type; a list of (role, content) is `messages`."""
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


MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""A conversation: turns in order, roles `system`, `user`, `assistant`."""

SHARED = "shared"
"""Value of `experiment` for everything that all experiments share."""

LOOP_SLICE = {
    "experiment": Column(pl.String, "name of the experiment; `shared`: all experiments"),
    "iteration": Column(pl.Int32, "number of the iteration; 0: outside the loop"),
}
"""Key columns of a slice. Models outside the loop have experiment `shared` and iteration 0."""

PROMPT_ID = Column(pl.String, "hash of the prompt's messages")
RESPONSE_INDEX = Column(pl.Int32, "response to the prompt, 0 … n−1")
POLICY_ID = Column(pl.String, "checkpoint of the policy")
STANDARD_ERROR = Column(pl.Float64, "clustered by prompt", "as value")
LOW = Column(pl.Float64, "lower end of the 95% interval", "as value")
HIGH = Column(pl.Float64, "upper end of the 95% interval", "as value")
PROMPTS = Column(pl.Int64, "number of prompts in the mean")
CREATED_AT = Column(pl.Datetime("us", "UTC"), "when the row was written")

ORDER = "commit_version"
"""Column by which the rows of a record table are ordered. The lake fills it in
(`transforms.lake.commit`). It does not depend on a clock: the clocks of two hosts may differ."""

WRITTEN = {
    ORDER: Column(pl.Int64, "version of this table that has the row first; newest: the highest"),
    "created_at": Column(CREATED_AT.dtype, "when the row was written, by the clock of its host"),
}
"""Last columns of a record table, to which rows are only appended."""
