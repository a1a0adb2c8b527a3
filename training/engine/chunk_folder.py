"""Chunks of responses in a folder of parquet files, and shards of prompts.

The sampling command writes the chunks, and after a crash it samples only the missing prompts. Not
here: sampling (`training.generation`). Imports no torch.
"""

import json
from pathlib import Path
from typing import Any

import polars as pl

from transforms.errors import InputError
from transforms.identity import digest


def select_shard(prompts: pl.DataFrame, index: int, count: int) -> pl.DataFrame:
    """Select the prompts of one shard, by a hash of prompt_id, so that order has no influence."""
    shards = [int(digest(prompt_id)[:8], 16) % count for prompt_id in prompts["prompt_id"]]
    return prompts.filter(pl.Series(shards, dtype=pl.Int64) == index)


class ChunkFolder:
    """A folder of parquet files, one per chunk; a file with its final name is complete."""

    def __init__(self, folder: Path, shard: int) -> None:
        """Store the folder and the number of the shard; shards may share a folder."""
        self.folder, self.shard = folder, shard

    def claim(self, run: dict[str, Any]) -> None:
        """Create the folder and record the run that writes to it, so that runs are never mixed.

        Raises:
            InputError: the folder contains responses of another policy, seed or settings.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        record = self.folder / f"run-{self.shard}.json"
        if record.is_file() and json.loads(record.read_text()) != run:
            raise InputError(
                f"{self.folder} contains responses of another run",
                expected=record.read_text(),
                found=json.dumps(run),
                remedy="give an empty --output folder, or repeat the command that wrote this one",
            )
        record.write_text(json.dumps(run))

    def list_files(self) -> list[Path]:
        """List the files of complete chunks."""
        return sorted(self.folder.glob("chunk-*.parquet"))

    def read_prompt_ids(self) -> pl.DataFrame:
        """Read which prompts have their responses in the folder; column prompt_id."""
        ids = [pl.read_parquet(file, columns=["prompt_id"]) for file in self.list_files()]
        return pl.concat([pl.DataFrame(schema={"prompt_id": pl.String}), *ids]).unique()

    def write(self, chunk: pl.DataFrame) -> None:
        """Write a chunk under a temporary name; rename the file when it is complete."""
        name = f"chunk-{self.shard}-{digest(chunk['prompt_id'][0])}.parquet"
        chunk.write_parquet(self.folder / f"{name}.partial")
        (self.folder / f"{name}.partial").rename(self.folder / name)
