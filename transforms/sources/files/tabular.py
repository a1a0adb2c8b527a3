"""Tables with columns of their own types (parquet, the hub) or of none (csv), made to fit.

Lives here: the comparison of found columns with declared ones. Not here: JSON
(`transforms.sources.files.json_rows`).
"""

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.sources.files.blocks import open_bytes, read_error
from transforms.sources.files.json_rows import MALFORMED, Native, convert_rows

WIDER: dict[object, tuple[object, ...]] = {
    pl.Int64: (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32),
    pl.Int32: (pl.Int8, pl.Int16, pl.UInt8, pl.UInt16),
    pl.Float64: (pl.Float32, pl.Int64, pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32),
    pl.String: (pl.Categorical,),
}
"""Types that a declared type takes in (i64 as f64 is for scores); no values fit every type."""

CSV_ROWS = 4_096
"""Records that are converted at a time."""


def conform(
    rows: pl.DataFrame, native: Native, optional: Collection[str], origin: str
) -> pl.DataFrame:
    """Select the declared columns, widened to the declared types; a missing optional one is null.

    Raises:
        InputError: a column is missing or of another type; all of them are named.
    """
    misfits = [
        f"{name}: {rows.schema.get(name, 'missing')}, not {dtype}"
        for name, dtype in native.items()
        if not (name in optional if name not in rows.columns else _fits(rows.schema[name], dtype))
    ]
    if misfits:
        raise InputError(
            f"{origin} does not have the columns that its catalogue entry declares",
            expected=", ".join(f"{name}: {dtype}" for name, dtype in native.items()),
            found="; ".join(misfits),
            remedy="choose the entry whose columns it has, or correct the entry's `native`",
        )
    return rows.select(
        _narrow(pl.col(name), rows.schema[name], dtype).alias(name)
        if name in rows.columns
        else pl.lit(None, dtype=dtype).alias(name)
        for name, dtype in native.items()
    )


def read_csv(
    path: Path, native: Native, optional: Collection[str]
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
    """Read a csv file with a header; its text is read as the declared types.

    Returns:
        Batches of rows that fit, with `row` from 1, and those that do not (`MALFORMED`). An empty
        field is null where a number is declared, and empty text where text is.

    Raises:
        InputError: not UTF-8, a quote that never ends, or a declared column is not in the header.
    """
    csv.field_size_limit(2**31 - 1)  # one turn may be longer than the default, 128 KiB
    with open_bytes(path) as file:
        records = csv.reader(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""), strict=True)
        header, first = _read_records(records, 1, path), 1
        if header and (missing := set(native) - set(header[0]) - set(optional)):
            raise InputError(
                f"source file {path} does not have the columns that its catalogue entry declares",
                expected=", ".join(native),
                found=f"no {', '.join(sorted(missing))} among {', '.join(header[0])}",
                remedy="choose the entry whose columns it has, or correct the entry's `native`",
            )
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
    """Read some records; blank lines are none."""
    taken: list[list[str]] = []
    line = records.line_num
    try:
        while len(taken) < count:
            line = records.line_num
            if record := next(records):
                taken.append(record)
    except StopIteration:
        return taken
    except (ValueError, csv.Error, OSError, EOFError) as error:
        raise read_error(path, f"record that begins in line {line + 1}: {error}") from None
    return taken


def _pick_fields(header: list[str], fields: list[str], native: Native) -> dict[str, str | None]:
    named = dict(zip(header, fields, strict=True))
    return {
        name: named[name] if named[name] or dtype == pl.String else None
        for name, dtype in native.items()
        if name in named
    }


def _narrow(value: pl.Expr, found: Any, declared: Any) -> pl.Expr:
    """Cast to a declared type, leaving out the fields of structs that it does not have."""
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


def _fits(found: object, declared: object) -> bool:
    if found in (declared, pl.Null) or found in WIDER.get(declared, ()):
        return True
    if isinstance(found, pl.List) and isinstance(declared, pl.List):
        return _fits(found.inner, declared.inner)
    if isinstance(found, pl.Struct) and isinstance(declared, pl.Struct):
        fields = found.to_schema()
        return all(
            field.name in fields and _fits(fields[field.name], field.dtype)
            for field in declared.fields
        )
    return False
