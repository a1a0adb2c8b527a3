"""Output of rows by a command: a table or lines for people, csv, json, or parquet."""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TextIO

import polars as pl
import polars.selectors as cs

from assets.cli.console import print_lines, print_table
from assets.cli.files import refuse_unwritable


def write_frame(frame: pl.DataFrame, form: str, output: Path | None = None) -> None:
    """Write rows to standard output or a file.

    Args:
        frame: the rows.
        form: `table`, `lines` (one line per value), `csv` (lists and structs as JSON text),
            `json` (an array of objects), or `parquet`.
        output: the file; parquet needs one.

    Raises:
        InputError: the file cannot be written.
    """
    if form == "parquet":
        if output is None:
            raise ValueError("parquet needs a file")
        with refuse_unwritable(output), output.open("wb") as file:
            frame.write_parquet(file)
        return
    if form not in ("table", "lines"):
        frame = frame.with_columns(cs.binary().bin.encode("hex"))  # csv and json have no bytes
    if output is not None:
        with refuse_unwritable(output), output.open("w", encoding="utf-8") as stream:
            _print(frame, form, stream)
    else:
        _print(frame, form, sys.stdout)


def is_plan(frame: pl.DataFrame) -> bool:
    """Return whether rows are the answer to EXPLAIN: drawings of several lines."""
    return frame.columns == ["explain_key", "explain_value"]


def _print(frame: pl.DataFrame, form: str, stream: TextIO) -> None:
    if is_plan(frame) and form == "table":
        stream.write("\n".join(frame["explain_value"]) + "\n")
    elif form in ("table", "lines"):
        with redirect_stdout(stream):
            print_table(frame) if form == "table" else print_lines(frame)
    elif form == "csv":
        stream.write(_flatten(frame).write_csv())
    else:
        # a sum of integers in DuckDB is a decimal, which JSON would show as text
        stream.write(frame.cast({cs.decimal(): pl.Float64}).write_json() + "\n")


def _flatten(frame: pl.DataFrame) -> pl.DataFrame:
    """Return lists and structs as JSON text, because csv has no type for them."""
    return frame.with_columns(
        pl.Series(
            column.name,
            [
                None if value is None else json.dumps(value, ensure_ascii=False, default=str)
                for value in column.to_list()
            ],
            dtype=pl.String,
        )
        for column in frame
        if column.dtype.is_nested()
    )
