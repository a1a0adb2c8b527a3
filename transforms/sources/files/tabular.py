"""Columns of parquet, Arrow, hub and csv tables: compared with the declared columns, and converted.

Not here: JSON (`transforms.sources.files.json_rows`).
"""

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.sources.files.json_rows import MALFORMED, Decoded, Native, convert_rows
from transforms.sources.files.native_fields import MissingColumnsError
from transforms.sources.files.opening import (
    READ_ERRORS,
    explain,
    find_format,
    open_text,
    read_error,
)

CSV_ROWS = 4_096
"""Records that are converted at a time."""


def conform(
    rows: pl.DataFrame, native: Native, optional: Collection[str], origin: str
) -> pl.DataFrame:
    """Select the declared columns, widened to the declared types; missing optional ones are null.

    Raises:
        InputError: columns are missing or have other types (the error lists all of them), or a
            number does not fit the declared type.
    """
    misfits = [
        f"{name}: {rows.schema.get(name, 'missing')}, not {dtype}"
        for name, dtype in native.items()
        if not (name in optional if name not in rows.columns else fits(rows.schema[name], dtype))
    ]
    if misfits:
        raise MissingColumnsError(
            f"{origin} does not have the columns that its catalogue entry declares",
            expected=", ".join(f"{name}: {dtype}" for name, dtype in native.items()),
            found="; ".join(misfits),
            remedy="choose the entry with the columns of this file, or correct `native` of the "
            "entry",
        )
    converted = (
        _narrow(pl.col(name), rows.schema[name], dtype).alias(name)
        if name in rows.columns
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in native.items()
    )
    try:
        return rows.select(converted)
    except pl.exceptions.InvalidOperationError as error:
        raise InputError(
            f"{origin} has a number that its catalogue entry does not allow",
            expected=", ".join(f"{name}: {dtype}" for name, dtype in native.items()),
            found=str(error).split("\n", 1)[0],
            remedy="correct the number in the file, or choose another entry",
        ) from None


def read_csv(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    """Read a csv or tsv file with a header; its text is converted to the declared types.

    Returns:
        Batches: the rows that fit, with `row` from 1, and the rows that do not fit (`MALFORMED`).
        An empty field is null in a column of numbers and empty text in a column of text.

    Raises:
        InputError: the file cannot be decoded, a quote has no end, or a declared column is not in
            the header or is there twice.
    """
    csv.field_size_limit(2**31 - 1)  # one turn may be longer than the default, 128 KiB
    delimiter = "\t" if find_format(path) == ".tsv" else ","
    with open_text(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        records = csv.reader(text, delimiter=delimiter, strict=True)
        header, first = _read_records(records, 1, path), 1
        if header:
            _require_columns(header[0], native, optional, path)
        while chunk := _read_records(records, CSV_ROWS, path):
            numbered = list(enumerate(chunk, start=first))
            whole = [(row, fields) for row, fields in numbered if len(fields) == len(header[0])]
            rows, misfits = convert_rows(
                ((row, _pick_fields(header[0], fields, native)) for row, fields in whole),
                native,
                strict=False,
            )
            torn = [
                (row, f"{len(fields)} fields for {len(header[0])} columns")
                for row, fields in numbered
                if len(fields) != len(header[0])
            ]
            misfits.extend(pl.DataFrame(torn, schema=MALFORMED, orient="row"))
            yield rows, misfits.sort("row")
            first += len(chunk)


def _read_records(records: Any, count: int, path: Path) -> list[list[str]]:
    """Read up to `count` records; blank lines are skipped."""
    found: list[list[str]] = []
    line = records.line_num
    try:
        while len(found) < count:
            line = records.line_num
            if record := next(records):
                found.append(record)
    except StopIteration:
        return found
    except csv.Error as error:
        raise read_error(path, f"the record that begins in line {line + 1}: {error}") from None
    except READ_ERRORS as error:
        cause = explain(error, path)
        raise read_error(path, f"near the record of line {line + 1}: {cause}") from None
    return found


def _require_columns(
    header: list[str], native: Native, optional: Collection[str], path: Path
) -> None:
    """Require each declared column once, except optional ones."""
    missing = set(native) - set(header) - set(optional)
    twice = sorted(name for name in native if header.count(name) > 1)
    if missing or twice:
        raise MissingColumnsError(
            f"source file {path} does not have the columns that its catalogue entry declares",
            expected=", ".join(native),
            found=f"{', '.join(twice)} twice"
            if twice
            else f"no {', '.join(sorted(missing))} among {', '.join(header)}",
            remedy="choose the entry with the columns of this file, or correct `native` of the "
            "entry",
        )


def _pick_fields(header: list[str], fields: list[str], native: Native) -> dict[str, str | None]:
    record = dict(zip(header, fields, strict=True))
    return {
        name: record[name] if record[name] or dtype == pl.String else None
        for name, dtype in native.items()
        if name in record
    }


def _narrow(value: pl.Expr, found: Any, declared: Any) -> pl.Expr:
    """Cast to a declared type; fields of structs that are not declared are left out."""
    if found == declared:
        return value
    if isinstance(found, pl.List) and isinstance(declared, pl.List):
        return value.list.eval(_narrow(pl.element(), found.inner, declared.inner))
    if isinstance(found, pl.Struct) and isinstance(declared, pl.Struct):
        kinds = found.to_schema()
        fields = (
            _narrow(value.struct.field(field.name), kinds[field.name], field.dtype).alias(
                field.name
            )
            for field in declared.fields
        )
        return pl.when(value.is_not_null()).then(pl.struct(fields))
    return value.cast(declared)


def fits(found: Any, declared: Any) -> bool:
    """Check whether a type found in a file equals a declared type or can be converted to it.

    Every number fits a declared f64, such as a score: signed, unsigned, decimal or half precision.
    Every whole number fits a declared integer. A column without values (`pl.Null`) fits every type.
    """
    if found in (declared, pl.Null):
        return True
    if isinstance(found, pl.List) and isinstance(declared, pl.List):
        return fits(found.inner, declared.inner)
    if isinstance(found, pl.Struct) and isinstance(declared, pl.Struct):
        fields = found.to_schema()
        return all(
            field.name in fields and fits(fields[field.name], field.dtype)
            for field in declared.fields
        )
    if declared.is_integer():
        return found.is_integer() or (isinstance(found, pl.Decimal) and found.scale == 0)
    if declared == pl.String:
        return isinstance(found, pl.Categorical | pl.Enum)
    return declared.is_float() and found.is_numeric()
