"""Examples of a training on disk: tokenized once, slice by slice; every process maps the file.

Token ids as Python lists take 100 to 200 bytes per token. So a slice of rows is tokenized and
appended to an Arrow file (int32, four bytes per token) before the next slice is read. `launch`
writes the file before the training processes start; each of them maps it, and the system keeps one
copy of its pages for all. Not here: the tokens of a stage (`load_maker` in its module).
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import torch
from accelerate import PartialState
from datasets import Dataset
from torch import distributed

from training.models.token_counts import split_equal_tokens, split_too_long
from training.runs.command_line.options import require_rows
from transforms.errors import InputError

Rows = pl.DataFrame | Iterable[pl.DataFrame]
"""Rows of a stage: a frame, or frames of any height, which are read once."""

Make = Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]]
"""Turns a slice of rows into examples and dropped rows (`token_counts.DROPPED`). Examples have the
columns that the trainer reads, and may have the column `ORDER`."""

SLICE_ROWS = 256
"""Rows that are in memory as tokens at a time: 100 MB for conversations of 2,000 tokens."""

ORDER = "order"
"""Examples are trained on by this column, else in the order of the rows; it is not trained on."""

EXAMPLES, DROPPED_ROWS = "examples.arrow", "dropped.parquet"
"""Files of a folder of examples."""

WAIT = timedelta(days=1)
"""Longest time that the other processes wait while the main process tokenizes."""


class Examples(NamedTuple):
    """The examples of a training, in the order in which they are trained on, and dropped rows."""

    dataset: Dataset
    """One row per example; its columns are mapped from the file."""
    dropped: pl.DataFrame
    """`token_counts.DROPPED`."""


def split_fitting(
    examples: pl.DataFrame, max_tokens: int, key: str, *, equal: pl.Expr | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split tokenized examples into those to train on and dropped ones.

    Args:
        examples: columns `key`, `length` (tokens of the longest sequence) and token ids.
        max_tokens: longest example.
        key: column that identifies an example.
        equal: of pairs, whether both sides have the same tokens; such pairs are dropped.

    Returns:
        The examples that fit, without `key`, and the dropped rows (`token_counts.DROPPED`).
    """
    fitting, dropped = split_too_long(examples, "length", max_tokens, key=key)
    if equal is not None:
        fitting, same = split_equal_tokens(fitting, equal, key=key)
        dropped = pl.concat([dropped, same])
    return fitting.drop(key), dropped


def write_examples(rows: Rows, make: Make, folder: Path) -> None:
    """Write the examples and the dropped rows of a stage to a folder, which is replaced.

    `SLICE_ROWS` rows are in memory as tokens at a time.

    Raises:
        InputError: there is nothing to train on.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    dropped = []
    found = kept = 0
    with ExitStack() as stack:
        writer: pa.RecordBatchStreamWriter | None = None
        for part in cut(rows):
            examples, left_out = make(part)
            table = examples.to_arrow()
            if writer is None:
                file = stack.enter_context(pa.OSFile(str(folder / EXAMPLES), "wb"))
                writer = stack.enter_context(pa.ipc.new_stream(file, table.schema))
            writer.write_table(table)
            dropped.append(left_out)
            found, kept = found + part.height, kept + examples.height
    if not kept:
        first = next((frame["evidence"][0] for frame in dropped if frame.height), None)
        raise InputError(
            "there is nothing to train on",
            expected="examples of at most max_tokens tokens, and of pairs, sides that differ in"
            " their tokens",
            found=f"none among {found} rows, the first: {first}" if first else "no rows",
            remedy="check the table, or raise max_tokens",
        )
    pl.concat(dropped).write_parquet(folder / DROPPED_ROWS)


def read_examples(folder: Path) -> Examples:
    """Map the examples of a folder, and read its dropped rows."""
    dataset = Dataset.from_file(str(folder / EXAMPLES))
    if ORDER in dataset.column_names:
        keys = pl.Series(ORDER, dataset.data.column(ORDER)).to_frame().with_row_index()
        dataset = dataset.remove_columns(ORDER).select(
            keys.sort(ORDER, maintain_order=True)["index"].to_numpy()
        )
    return Examples(dataset, pl.read_parquet(folder / DROPPED_ROWS))


@contextmanager
def open_examples(
    rows: Rows | Path, output: Path, load_maker: Callable[[], Make]
) -> Iterator[Examples]:
    """Open the examples of a training; rows are first written to a folder that is then removed.

    Of several processes, the main one writes, and the others wait.

    Args:
        rows: the rows, or a folder that `write_examples` wrote, which is kept.
        output: folder of the finished checkpoint; the examples are written next to it.
        load_maker: loads the tokenizer and returns the function that makes the examples.

    Raises:
        InputError: there is nothing to train on.
    """
    if isinstance(rows, Path):
        yield read_examples(rows)
        return
    folder = output.parent / f".{output.name}.examples"
    state = PartialState(cpu=not torch.cuda.is_available())
    with ExitStack() as stack:
        if state.is_main_process:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            write_examples(rows, load_maker(), folder)
        if state.num_processes > 1:
            # NCCL would give up after minutes, a group of its own waits
            distributed.barrier(distributed.new_group(backend="gloo", timeout=WAIT))
        yield read_examples(folder)


def read_rows(file: Path, *columns: str) -> Iterator[pl.DataFrame] | Path:
    """Read a Parquet file slice by slice; the folder of written examples is returned as it is.

    Args:
        file: the file or the folder.
        columns: the columns that the stage reads from a file.

    Raises:
        InputError: as in `command_line.options.require_rows`.
    """
    if file.is_dir():
        return file
    return pl.scan_parquet(require_rows(file, *columns)).collect_batches(
        chunk_size=SLICE_ROWS, maintain_order=True
    )


def cut(rows: Rows) -> Iterator[pl.DataFrame]:
    """Cut rows into slices of at most `SLICE_ROWS`; a frame without rows is one slice."""
    for frame in [rows] if isinstance(rows, pl.DataFrame) else rows:
        yield from frame.iter_slices(SLICE_ROWS) if frame.height else [frame]
