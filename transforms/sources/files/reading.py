"""Rows of a source in their native columns, batch by batch, from files or a pinned hub dataset.

Lives here: the choice of a reader, the check of native columns, row keys. Not here: the files of a
folder (`transforms.sources.files.folders`), the readers of single formats
(`transforms.sources.files.arrow_files`, `transforms.sources.files.json_rows`,
`transforms.sources.files.tabular`), the meaning of columns (`transforms.sources.catalog`).

A row that does not fit the declared types is returned separately, with the reason. Reading stops
with an error at a file that cannot be read, and at a source without any value in a native column. A
batch has a few megabytes: no source is read into memory whole, except `.json` arrays, which cannot
be cut.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from transforms.errors import InputError
from transforms.hub import TOKEN, explain_hub_error, find_commit, find_token
from transforms.lake.schemas.table import type_name
from transforms.settings.sources import OriginSettings
from transforms.sources.files.arrow_files import (
    BATCH_ROWS,
    number_rows,
    read_arrow,
    read_delta,
    read_parquet,
)
from transforms.sources.files.blocks import Block, read_blocks, read_whole
from transforms.sources.files.folders import is_delta_table, list_parts
from transforms.sources.files.json_rows import Decoded, Native, convert_rows, decode_lines
from transforms.sources.files.native_fields import FoundFields, MissingColumnsError
from transforms.sources.files.opening import (
    READ_ERRORS,
    explain,
    find_format,
    open_text,
    read_error,
)
from transforms.sources.files.tabular import conform, read_csv
from transforms.workers import map_in_order

ROW_KEY = "row_key"
"""Name of the added column: origin and row number, `<file name>:1` or `<hub_id>@<commit>:1`."""


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
        MissingColumnsError: a native column, or a field of a struct in it, has no value in any row.
        InputError: a file is missing, empty or cannot be read; the hub dataset cannot be read.
    """
    read = _read_hub if origin.hub_id else _read_files
    batches = read(name, origin, native, optional)
    left = origin.max_rows
    fields = FoundFields(native, optional)
    first_misfit = None
    for batch in batches:
        rows = batch.rows if left is None else batch.rows.head(left)
        fields.add(rows)
        if first_misfit is None and batch.malformed.height:
            first_misfit = "{}: {}".format(*batch.malformed.row(0))
        yield Batch(rows, batch.malformed)
        left = None if left is None else left - rows.height
        if left == 0:
            break
    if absent := fields.list_missing():
        raise MissingColumnsError(
            f"source {name} has no column {', '.join(path for path, _ in absent)}",
            expected=", ".join(f"{path}: {type_name(dtype)}" for path, dtype in absent),
            found=f"no row with it; first row that does not fit: {first_misfit or 'none'}",
            remedy="choose the catalogue entry whose columns the source has",
        )


def _read_files(
    _: str, origin: OriginSettings, native: Native, optional: Collection[str]
) -> Iterator[Batch]:
    for name, path in list_parts(origin.files).files.items():
        rows = 0
        for batch in _decode(path, native, optional):
            rows += batch[0].height + batch[1].height
            yield _add_keys(*batch, name)
        if not rows:
            raise read_error(path, "no rows")


def _decode(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    if is_delta_table(path):
        return read_delta(path, native, optional)
    match find_format(path):
        case ".parquet":
            return read_parquet(path, native, optional)
        case ".arrow":
            return read_arrow(path, native, optional)
        case ".csv" | ".tsv":
            return read_csv(path, native, optional)
        case ".json" if not has_json_lines(path):
            return iter([_read_json_array(path, native)])
        case ".json" | ".jsonl" | ".ndjson":
            return _read_json_lines(path, native)
    raise read_error(path, f"name ending in {''.join(path.suffixes[-2:]) or 'nothing'}")


def has_json_lines(path: Path) -> bool:
    """Check whether a file has JSON lines, not one array or one object over many lines."""
    with open_text(path) as file:
        try:
            start = file.read(1 << 16).lstrip()
        except READ_ERRORS as error:
            raise read_error(path, explain(error, path), 0) from None
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
    except UnicodeDecodeError as error:
        raise read_error(path, explain(error, path)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise read_error(path, f"{error}, in {len(content)} bytes of JSON") from None
    return convert_rows(enumerate(rows if isinstance(rows, list) else [rows], start=1), native)


def _read_hub(
    name: str, origin: OriginSettings, native: Native, optional: Collection[str]
) -> Iterator[Batch]:
    import datasets  # slow to import, and only hub sources need it

    commit = find_commit(str(origin.hub_id), origin.revision or "main")
    for folder in origin.hub_dirs or (None,):
        try:
            found = datasets.load_dataset(
                origin.hub_id,
                data_dir=folder,
                split=origin.hub_split,
                revision=commit,
                token=find_token(),
            ).with_format("arrow")
        except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
            raise InputError(
                f"hub dataset {origin.hub_id} cannot be read",
                expected=f"split {origin.hub_split} at revision {origin.revision}",
                found=explain_hub_error(error, origin.revision),
                remedy=f"check the id, split, revision, {TOKEN} and network, or set local `files`",
            ) from None
        row = 1
        where = "/".join(part for part in (f"{origin.hub_id}@{commit}", folder) if part)
        for table in found.iter(batch_size=BATCH_ROWS):
            rows = conform(pl.DataFrame(table), native, optional, f"source {name}")
            yield _add_keys(*number_rows(rows, row), where)
            row += rows.height


def _add_keys(rows: pl.DataFrame, misfits: pl.DataFrame, origin: str) -> Batch:
    key = pl.format("{}:{}", pl.lit(origin), "row").alias(ROW_KEY)
    return Batch(rows.with_columns(key).drop("row"), misfits.select(key, "evidence"))
