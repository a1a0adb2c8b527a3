"""Batches of parquet files, Arrow files and Delta tables, in their declared columns.

Not here: text files (`transforms.sources.files.json_rows`, `transforms.sources.files.tabular`).
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet
from deltalake.exceptions import DeltaError

from transforms.sources.files.folders import open_delta
from transforms.sources.files.json_rows import MALFORMED, Decoded, Native
from transforms.sources.files.opening import READ_ERRORS, read_error, require_content
from transforms.sources.files.tabular import conform

BATCH_ROWS = 4_096
"""Rows that are read at a time: a few megabytes of text."""

FAILURES: tuple[type[Exception], ...] = (*READ_ERRORS, DeltaError)
"""Errors of PyArrow and Delta about a damaged file."""

FILE_MAGIC = b"ARROW1"
STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"
"""Last bytes of an Arrow stream. PyArrow reads a stream without them up to its last whole batch."""


def read_parquet(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    """Read a parquet file in batches of rows with their numbers.

    Raises:
        InputError: the file cannot be read, or has other columns.
    """

    def list_batches() -> Iterator[pa.RecordBatch]:
        # without pre_buffer, or the bytes of the whole file stay in memory until it is closed
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            columns = [name for name in native if name in file.schema_arrow.names]
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=columns)

    require_content(path)
    return _convert(list_batches(), path, native, optional)


def read_arrow(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    """Read an Arrow file or stream, such as `save_to_disk` writes (`read_parquet`)."""

    def list_batches() -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(path)) as file:
            if file.read(len(FILE_MAGIC)) == FILE_MAGIC:
                reader = pa.ipc.open_file(file)
                yield from map(reader.get_batch, range(reader.num_record_batches))
                return
            file.seek(max(0, file.size() - len(STREAM_END)))
            if file.read() != STREAM_END:
                raise pa.ArrowInvalid("the Arrow stream has no end: the file is cut off")
            file.seek(0)
            yield from pa.ipc.open_stream(file)

    require_content(path)
    return _convert(list_batches(), path, native, optional)


def read_delta(path: Path, native: Native, optional: Collection[str]) -> Iterator[Decoded]:
    """Read a Delta table at its last version, file by file in the order of their names."""

    def list_batches() -> Iterator[pa.RecordBatch]:
        table = open_delta(path).to_pyarrow_dataset()
        columns = [name for name in native if name in table.schema.names]
        for part in sorted(table.get_fragments(), key=lambda part: part.path):
            yield from part.to_batches(
                schema=table.schema, columns=columns, batch_size=BATCH_ROWS, use_threads=False
            )

    return _convert(list_batches(), path, native, optional)


def number_rows(rows: pl.DataFrame, first: int) -> Decoded:
    """Add the column `row` from a number on; no row is malformed."""
    numbers = pl.int_range(first, first + pl.len(), dtype=pl.Int64)
    return rows.with_columns(row=numbers), pl.DataFrame(schema=MALFORMED)


def decode_names(fields: Iterable[pa.Field]) -> None:
    """Decode the names and the metadata of columns, and of fields in them.

    Polars decodes them, too, and panics at one that is not UTF-8.

    Raises:
        UnicodeDecodeError: a name or its metadata are not UTF-8.
    """
    for field in fields:
        _ = field.name
        for text in chain(*(field.metadata or {}).items()):
            text.decode()
        decode_names(map(field.type.field, range(field.type.num_fields)))


def _convert(
    batches: Iterator[pa.RecordBatch], path: Path, native: Native, optional: Collection[str]
) -> Iterator[Decoded]:
    row = 1
    try:
        for batch in batches:
            batch.validate(full=True)  # the readers accept broken UTF-8
            decode_names(batch.schema)
            columns = [name for name in native if name in batch.schema.names]
            # without metadata of the file, which polars would decode
            known = batch.select(columns).replace_schema_metadata(None)
            table = pl.DataFrame(pa.Table.from_batches([known]))
            rows = conform(table, native, optional, f"source file {path}")
            yield number_rows(rows, row)
            row += rows.height
    except FAILURES as error:
        raise read_error(path, f"row {row}: {error}") from None
