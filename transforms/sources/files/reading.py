"""Rows of a source in their native columns, batch by batch, from files or a pinned hub dataset.

Lives here: the reader of each file format, the check of native columns, row keys. Not here: the
meaning of columns (`transforms.sources.catalog`), decoding JSON
(`transforms.sources.files.json_rows`).

A row that does not fit the declared types is returned separately, with the reason. Reading stops
with an error at a file that cannot be read, and at a source without any value in a native column. A
batch has a few megabytes: no source is read into memory whole, except `.json` arrays, which cannot
be cut.
"""

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.blocks import (
    Block,
    open_bytes,
    read_blocks,
    read_error,
    read_whole,
)
from transforms.sources.files.json_rows import MALFORMED, Native, convert_rows, decode_lines
from transforms.sources.files.tabular import conform, read_csv
from transforms.workers import map_in_order

ROW_KEY = "row_key"
"""Name of the added column: origin and row number, `<file name>:1` or `<hub_id>@<revision>:1`."""

SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")


Decoded = tuple[pl.DataFrame, pl.DataFrame]
"""Rows of a file that fit, with their number `row`, and the rows that do not fit
(`transforms.sources.files.json_rows.MALFORMED`)."""


class Batch(NamedTuple):
    """Rows of a source that fit its native columns, and rows that do not."""

    rows: pl.DataFrame
    """row_key and the native columns."""
    malformed: pl.DataFrame
    """row_key, evidence."""


def read_batches(
    name: str, origin: OriginSettings, native: Native, optional: Collection[str] = ()
) -> Iterator[Batch]:
    """Read a source's rows in file order.

    Row keys contain a file's path below the common folder of all files. So
    rows of two files with the same name have different keys, and keys are equal on every machine.

    Args:
        name: name of the source, for messages.
        origin: files or hub dataset.
        native: columns to read, with types. Numbers widen; other types must be as declared.
        optional: columns that may be missing in all rows.

    Raises:
        InputError: a file is missing, empty or cannot be read; a native column has no value in any
            row; the hub dataset cannot be read.
    """
    read = _read_hub if origin.hub_id else _read_files
    batches = read(name, origin, native, optional)
    left = origin.max_rows
    seen = dict.fromkeys((column for column in native if column not in optional), False)
    first_misfit = None
    for batch in batches:
        rows = batch.rows if left is None else batch.rows.head(left)
        for column, found in seen.items():
            seen[column] = found or rows[column].null_count() < rows.height
        if first_misfit is None and batch.malformed.height:
            first_misfit = "{}: {}".format(*batch.malformed.row(0))
        yield Batch(rows, batch.malformed)
        left = None if left is None else left - rows.height
        if left == 0:
            break
    if absent := [column for column, found in seen.items() if not found]:
        raise InputError(
            f"source {name} has no column {', '.join(absent)}",
            expected=", ".join(f"{column}: {native[column]}" for column in absent),
            found=f"no row with it; first row that does not fit: {first_misfit or 'none'}",
            remedy="choose the catalogue entry whose columns the source has",
        )


def fingerprint_origin(origin: OriginSettings) -> str:
    """Return an identifier of the content: hash of the files' names and bytes, or the hub revision.

    Raises:
        InputError: a file is missing.
    """
    if origin.hub_id:
        return ":".join(
            [f"{origin.hub_id}@{origin.revision}", origin.hub_split or "", *origin.hub_dirs]
        )
    whole = hashlib.sha256()
    for name, path in list_files(origin.files).items():
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{name}\x1f{content}\x1e".encode())
    return whole.hexdigest()[:32]


def list_files(files: tuple[str, ...]) -> dict[str, Path]:
    """List the files of an origin, and the files of its folders, by their names in row keys.

    Raises:
        InputError: a path does not exist, or a folder has no file that can be read.
    """
    paths: list[Path] = []
    for path in (Path(file).resolve() for file in files):
        found = sorted(p for p in path.rglob("*") if _file_format(p)) if path.is_dir() else [path]
        if not found or not found[0].is_file():
            raise InputError(
                f"source file {path} cannot be read",
                expected="a file or folder of parquet, csv, json or jsonl, gzipped or not",
                found="a folder without such files" if path.is_dir() else "no such file or folder",
                remedy="correct `files` in the recipe; a relative path is relative to the recipe",
            )
        paths += found
    common = os.path.commonpath([path.parent for path in paths])
    return {path.relative_to(common).as_posix(): path for path in paths}


def _read_files(
    _: str, origin: OriginSettings, native: Native, optional: Collection[str]
) -> Iterator[Batch]:
    for name, path in list_files(origin.files).items():
        rows = 0
        for batch in _decode(path, native, optional):
            rows += batch[0].height + batch[1].height
            yield _add_keys(*batch, name)
        if not rows:
            raise read_error(path, "no rows")


def _file_format(path: Path) -> str | None:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    return suffixes[-1] if suffixes and suffixes[-1] in SUFFIXES else None


def _decode(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    kind = _file_format(path)
    if kind == ".parquet":
        return _read_parquet(path, native, optional)
    if kind == ".csv":
        return read_csv(path, native, optional)
    if kind == ".jsonl" or (kind == ".json" and _has_json_lines(path)):
        return _read_json_lines(path, native)
    if kind == ".json":
        return iter([_read_json_array(path, native)])
    raise read_error(path, f"name ending in {''.join(path.suffixes[-2:]) or 'nothing'}")


def _has_json_lines(path: Path) -> bool:
    """Check whether a file has JSON lines, not one array or one object over many lines."""
    with open_bytes(path) as file:
        try:
            start = file.read(1 << 16).lstrip()
        except (OSError, EOFError) as error:
            raise read_error(path, f"gzip data ends or breaks ({error})", 0) from None
    return not start.startswith(b"[") and start.split(b"\n", 1)[0].rstrip() != b"{"


def _read_json_lines(path: Path, native: Native) -> Iterator[Decoded]:
    def decode(block: Block) -> Decoded:
        rows, misfits = decode_lines(block, native)
        if block.cut and misfits.height:
            _refuse_cut(path, block, misfits)
        return rows, misfits

    return map_in_order(decode, read_blocks(path))


def _refuse_cut(path: Path, block: Block, misfits: pl.DataFrame) -> None:
    """Refuse a file whose last line has no line end and is malformed: its rest is missing."""
    row, evidence = misfits.row(-1)
    if row == block.first_line + block.lines - 1:
        offset = block.offset + block.content.rfind(b"\n") + 1
        raise read_error(path, f"the file is cut off in line {row} ({evidence})", offset)


def _read_json_array(path: Path, native: Native) -> Decoded:
    content = read_whole(path)
    try:
        rows = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise read_error(path, f"{error}, in {len(content)} bytes of JSON") from None
    return convert_rows(enumerate(rows if isinstance(rows, list) else [rows], start=1), native)


def _read_parquet(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    row = 1
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            columns = [name for name in native if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=16_384, columns=columns):
                batch.validate(full=True)  # the reader accepts broken UTF-8
                table = pl.DataFrame(pa.Table.from_batches([batch]))
                rows = conform(table, native, optional, f"source file {path}")
                yield _number_rows(rows, row)
                row += rows.height
    except (OSError, pa.ArrowException) as error:
        raise read_error(path, f"row {row}: {error}") from None


def _read_hub(
    name: str, origin: OriginSettings, native: Native, optional: Collection[str]
) -> Iterator[Batch]:
    import datasets  # slow to import, and only hub sources need it

    for folder in origin.hub_dirs or (None,):
        try:
            found = datasets.load_dataset(
                origin.hub_id, data_dir=folder, split=origin.hub_split, revision=origin.revision
            ).with_format("arrow")
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise InputError(
                f"hub dataset {origin.hub_id} cannot be read",
                expected=f"split {origin.hub_split} at revision {origin.revision}",
                found=f"{type(error).__name__}: {error}",
                remedy="check the id, split, revision and network, or set local `files`",
            ) from None
        row = 1
        where = "/".join(part for part in (f"{origin.hub_id}@{origin.revision}", folder) if part)
        for table in found.iter(batch_size=16_384):
            rows = conform(pl.DataFrame(table), native, optional, f"source {name}")
            yield _add_keys(*_number_rows(rows, row), where)
            row += rows.height


def _number_rows(rows: pl.DataFrame, first: int) -> Decoded:
    numbers = pl.int_range(first, first + pl.len(), dtype=pl.Int64)
    return rows.with_columns(row=numbers), pl.DataFrame(schema=MALFORMED)


def _add_keys(rows: pl.DataFrame, misfits: pl.DataFrame, origin: str) -> Batch:
    key = pl.format("{}:{}", pl.lit(origin), "row").alias(ROW_KEY)
    return Batch(rows.with_columns(key).drop("row"), misfits.select(key, "evidence"))
