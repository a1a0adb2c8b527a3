"""Chunks of rows in a folder of parquet files, and the division of rows among replicas.

A stage's command writes the chunks, and after a crash it computes only the missing rows. Not here:
the stages, the processes of replicas (`training.engine.replicas`). Imports no torch.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.identity import hash_text


def divide_rows(rows: pl.DataFrame, key: str, count: int) -> list[pl.DataFrame]:
    """Divide rows into parts by a hash of a text column, so that their order has no influence."""
    number = hash_text(pl.col(key)).str.slice(0, 8).str.to_integer(base=16) % count
    return [rows.filter(number == part) for part in range(count)]


class ChunkFolder:
    """A folder of parquet files, one per chunk; a file with its final name is complete."""

    def __init__(self, folder: Path) -> None:
        """Store the folder; it may not exist yet."""
        self.folder = folder

    def claim(self, run: dict[str, Any]) -> None:
        """Create the folder and record the run that writes to it, so that runs are never mixed.

        Raises:
            InputError: the folder belongs to another model, seed or settings.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        record = self.folder / "run.json"
        text = json.dumps(run, default=str)
        if record.is_file() and record.read_text() != text:
            raise InputError(
                f"{self.folder} belongs to another run",
                expected=record.read_text(),
                found=text,
                remedy="give an empty --output folder, or repeat the command that wrote this one",
            )
        record.write_text(text)

    def list_files(self) -> list[Path]:
        """List the files of complete chunks, in the order in which they were written."""
        return sorted(self.folder.glob("chunk-*.parquet"))

    def select_missing(self, rows: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
        """Select the rows whose key is in no chunk; their order stays."""
        for file in self.list_files():
            done = pl.read_parquet(file, columns=list(key))
            rows = rows.join(done, on=list(key), how="anti", maintain_order="left")
        return rows

    def read(self) -> pl.DataFrame:
        """Read the rows of all chunks; there is at least one chunk."""
        return pl.concat([pl.read_parquet(file) for file in self.list_files()])

    def write(self, chunk: pl.DataFrame) -> None:
        """Write a chunk under a temporary name; rename the file when it is complete."""
        file = self.folder / f"chunk-{len(self.list_files()):06}.parquet"
        partial = file.with_suffix(".partial")
        chunk.write_parquet(partial)
        partial.rename(file)


def compute_missing(
    rows: pl.DataFrame,
    key: Sequence[str],
    compute: Callable[[pl.DataFrame, Callable[[pl.DataFrame], None]], object],
    chunks: ChunkFolder | None,
) -> pl.DataFrame:
    """Compute the rows that are in no chunk of a folder; return those of all its chunks.

    Args:
        rows: at least one row.
        key: columns that identify a row.
        compute: called with the missing rows, and with the function that stores a chunk.
        chunks: the folder; without one, all rows are computed, and the chunks stay in memory.
    """
    if chunks is None:
        computed: list[pl.DataFrame] = []
        compute(rows, computed.append)
        return pl.concat(computed)
    missing = chunks.select_missing(rows, key)
    if missing.height:
        compute(missing, chunks.write)
    return chunks.read()
