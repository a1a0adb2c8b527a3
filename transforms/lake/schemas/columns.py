"""Column types and keys that tables share.

Not here: the tables' own columns (`transforms.lake.schemas`).
"""

import polars as pl

Schema = dict[str, pl.DataType | type[pl.DataType]]
"""Columns of a table in order, with their types."""

MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
"""A conversation: turns in order, roles `system`, `user`, `assistant`."""

LOOP_SLICE = {"experiment": pl.String, "iteration": pl.Int32}
"""The slice of a loop table. Models outside the loop are experiment `shared`, iteration 0."""

SHARED = "shared"
"""`experiment` of everything that all experiments have in common."""

ARROW_LAYOUT = pl.CompatLevel.newest()
"""Arrow layout of text that polars has itself: handed to the Delta writer without a copy."""
