"""Frames against the schema of their table: refused where they differ, filled where older.

Not here: the schemas (`transforms.lake.schemas`).
"""

import polars as pl
from deltalake import DeltaTable

from transforms.errors import InputError
from transforms.lake.schemas import SCHEMAS


def enforce(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the table's columns in order, or refuse it.

    Raises:
        InputError: a column is missing, unknown, or of another type. All differences are listed.
    """
    schema = SCHEMAS[table]
    differences = [f"{name} missing" for name in schema if name not in frame.columns]
    differences += [f"{name} unknown" for name in frame.columns if name not in schema]
    differences += [
        f"{name} is {frame.schema[name]}, not {dtype}"
        for name, dtype in schema.items()
        if name in frame.columns and frame.schema[name] != dtype
    ]
    if differences:
        raise InputError(
            f"rows do not fit table {table}",
            expected=", ".join(f"{name}: {dtype}" for name, dtype in schema.items()),
            found="; ".join(differences),
            remedy="cast or rename in the function that makes the rows",
        )
    return frame.select(list(schema))


def with_every_column(table: str, frame: pl.LazyFrame, written: DeltaTable) -> pl.LazyFrame:
    """Return a table's frame in today's columns: those that it was written without are null."""
    found = {field.name for field in written.schema().fields}
    return frame.select(
        pl.col(name) if name in found else pl.lit(None, dtype).alias(name)
        for name, dtype in SCHEMAS[table].items()
    )
