"""Slices of tables: their key columns, and the checks of rows before they are written.

Not here: the declarations of columns (`transforms.lake.schemas`).
"""

from collections.abc import Collection, Mapping

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import TABLES, schema_of

Slice = Mapping[str, str | int]
"""Column values that all rows of a slice share; empty for the whole table."""


def add_keys(rows: pl.DataFrame, **keys: str | int) -> pl.DataFrame:
    """Add the key columns of a slice; integers become Int32, as `iteration` is in every table."""
    return rows.with_columns(
        **{
            name: pl.lit(value, dtype=pl.Int32 if isinstance(value, int) else pl.String)
            for name, value in keys.items()
        }
    )


def require_columns(table: str, stored: Collection[str], needed: Collection[str]) -> None:
    """Check that a stored table has the columns that readers need.

    Args:
        table: its name.
        stored: the columns that it has.
        needed: columns that every stored table has; those of its declaration are added.

    Raises:
        InputError: another version of the program wrote it.
    """
    declared = schema_of(table) if table in TABLES else {}
    if missing := [name for name in (*needed, *declared) if name not in stored]:
        raise InputError(
            f"table {table} was written by another version of prefloop",
            expected=f"the columns {', '.join([*needed, *declared])}",
            found=f"no {', '.join(missing)}",
            remedy="read this lake with the version that wrote it, or run the recipe in a new"
            " folder with --home",
        )


def enforce_slice(table: str, frame: pl.DataFrame, rows: Slice) -> pl.DataFrame:
    """Return the rows of a slice with the table's columns in order.

    Args:
        table: its name; a table outside `transforms.lake.schemas.TABLES` has no declared columns.
        frame: the rows.
        rows: the slice.

    Raises:
        InputError: columns or types differ from the declaration, or a row is outside the slice.
    """
    if table in TABLES:
        frame = enforce_schema(table, frame)
    for column, value in rows.items():
        outside = frame[column].ne_missing(value).sum()
        if outside:
            raise InputError(
                f"rows outside the slice of {table}",
                expected=f"{column} = {value} in every row",
                found=f"{outside} of {frame.height} rows with another value",
                remedy="write each slice with its own call",
            )
    return frame


def enforce_schema(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with the table's columns in order.

    Raises:
        InputError: a column is missing, unknown, or of another type. All differences are listed.
    """
    schema = schema_of(table)
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
            remedy="cast or rename the columns in the function that makes the rows",
        )
    return frame.select(list(schema))
