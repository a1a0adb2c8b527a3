"""A writer that is killed between commits: after a restart, each chunk is there once."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from transforms.lake.lake import Lake

CHUNK = 50
WRITER = """
import sys
import polars as pl
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.settings.commits import CommitSettings

root, chunk, end, rows = sys.argv[1], *map(int, sys.argv[2:])
lake = Lake(root)
first = lake.height("dropped_pairs") if lake.exists("dropped_pairs") else 0
with Chunks(lake, "dropped_pairs", CommitSettings(rows=rows)) as write:
    for start in range(first, end, chunk):
        names = [str(n) for n in range(start, start + chunk)]
        frame = pl.DataFrame({"experiment": "e", "prompt_id": names, "reason": "a tie"})
        write(frame.with_columns(iteration=pl.lit(1, pl.Int32)))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_writer_leaves_whole_chunks(tmp_path, how):
    """Each start has chunks, and commits, of another size."""
    lake, draw, end = Lake(tmp_path), random.Random(0), 1_000_000
    written = 0
    for chunk, rows in ((CHUNK, 1), (CHUNK, 3 * CHUNK), (2 * CHUNK, 3 * CHUNK), (7, 5 * CHUNK)):
        numbers = map(str, (chunk, end, rows))
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), *numbers]) as process:
            log = Path(lake.address("dropped_pairs")) / "_delta_log"
            before = len(list(log.glob("*.json")))
            while len(list(log.glob("*.json"))) < before + 3:
                assert process.poll() is None
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.05))
            os.kill(process.pid, how)
        assert process.returncode == -how
        found = lake.read("dropped_pairs")
        assert (found.height - written) % chunk == 0
        assert found.height - written >= 3 * rows
        assert sorted(map(int, found["prompt_id"])) == list(range(found.height))
        written = found.height
