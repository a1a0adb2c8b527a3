"""The columns of a file with their types, without an entry that declares them.

Not here: rows in declared columns (`transforms.sources.files.reading`).
"""

import csv
import io
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from transforms.errors import InputError
from transforms.sources.files.arrow_files import decode_names
from transforms.sources.files.blocks import read_blocks, read_whole
from transforms.sources.files.folders import is_delta_table, list_parts, open_delta
from transforms.sources.files.json_rows import DType
from transforms.sources.files.opening import (
    READ_ERRORS,
    explain,
    find_format,
    open_text,
    read_error,
    require_content,
)
from transforms.sources.files.reading import has_json_lines

FAILURES: tuple[type[Exception], ...] = (*READ_ERRORS, msgspec.DecodeError, csv.Error)
"""Errors about a damaged file."""

FIRST_ROWS = 200
"""Rows of a JSON file from which types are inferred."""


class FileColumns(NamedTuple):
    """Columns of a file."""

    types: Mapping[str, DType]
    """Types by name; `pl.Null` if no row has a value, `pl.Unknown` if the values have several."""
    is_text: bool
    """Whether the file has only text (csv, tsv), which is converted to numbers on reading."""


def read_columns(files: tuple[str, ...]) -> FileColumns:
    """Read the columns of the first file of an origin.

    Raises:
        InputError: the file is missing or cannot be read, or has no rows with columns.
    """
    path = next(iter(list_parts(files).files.values()))
    ending = find_format(path)
    if path.is_file():
        require_content(path)
    try:
        if is_delta_table(path):
            types = _convert_schema(open_delta(path).to_pyarrow_dataset().schema)
        elif ending == ".parquet":
            types = _convert_schema(pyarrow.parquet.read_schema(path))
        elif ending == ".arrow":
            types = _convert_schema(_read_arrow_schema(path))
        elif ending in (".csv", ".tsv"):
            types = dict.fromkeys(_read_header(path, "\t" if ending == ".tsv" else ","), pl.String)
        else:
            types = _infer_types(_read_objects(path))
    except FAILURES as error:
        raise read_error(path, explain(error, path)) from None
    if not types:
        raise InputError(
            f"{path} has no columns",
            expected="rows with named columns",
            found="none in its first rows",
            remedy="name another file",
        )
    return FileColumns(types, is_text=ending in (".csv", ".tsv"))


def _convert_schema(schema: pa.Schema) -> dict[str, DType]:
    decode_names(schema)
    return dict(pl.DataFrame(schema.remove_metadata().empty_table()).schema)


def _read_arrow_schema(path: Path) -> pa.Schema:
    with pa.memory_map(str(path)) as file:
        try:
            return pa.ipc.open_file(file).schema
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file).schema


def _read_header(path: Path, delimiter: str) -> list[str]:
    with open_text(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        return next(csv.reader(text, delimiter=delimiter), [])


def _read_objects(path: Path) -> list[dict[str, Any]]:
    """Read the first objects of a JSON file; lines that are no objects are left out.

    Raises:
        ValueError: no line is an object; the error of the first line that cannot be decoded.
    """
    values: list[Any] = []
    failure: ValueError | msgspec.DecodeError | None = None
    if find_format(path) == ".json" and not has_json_lines(path):
        whole = msgspec.json.decode(read_whole(path))
        values = whole[:FIRST_ROWS] if isinstance(whole, list) else [whole]
    else:
        for line in islice(next(read_blocks(path)).content.split(b"\n"), FIRST_ROWS):
            try:
                values.append(msgspec.json.decode(line.decode()))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                failure = failure or error
    objects = [value for value in values if isinstance(value, dict)]
    if failure is not None and not objects:
        raise failure
    return objects


def _infer_types(rows: list[dict[str, Any]]) -> dict[str, DType]:
    return {
        name: _infer_type([row.get(name) for row in rows])
        for name in dict.fromkeys(name for row in rows for name in row)
    }


def _infer_type(values: list[Any]) -> DType:
    try:
        return pl.Series(values, strict=True).dtype
    except (TypeError, pl.exceptions.PolarsError):
        return pl.Unknown()
