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
from transforms.lake.lake import Chunks, Lake

root, chunk, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
lake = Lake(root)
first = lake.height("dropped_pairs") if lake.exists("dropped_pairs") else 0
write = Chunks(lake, "dropped_pairs")
for start in range(first, end, chunk):
    names = [str(n) for n in range(start, start + chunk)]
    rows = pl.DataFrame({"experiment": "e", "prompt_id": names, "reason": "a tie"})
    write(rows.with_columns(iteration=pl.lit(1, pl.Int32)))
"""


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_writer_leaves_whole_chunks(tmp_path, how):
    lake, draw, end = Lake(tmp_path), random.Random(0), 100_000
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(CHUNK), str(end)]
    written = 0
    for _ in range(4):
        with subprocess.Popen(command) as process:
            log = Path(lake.address("dropped_pairs")) / "_delta_log"
            before = len(list(log.glob("*.json")))
            while len(list(log.glob("*.json"))) < before + 3:
                assert process.poll() is None
                time.sleep(0.005)
            time.sleep(draw.uniform(0, 0.05))
            os.kill(process.pid, how)
        assert process.returncode == -how
        rows = lake.read("dropped_pairs")
        assert rows.height % CHUNK == 0
        assert rows.height > written
        assert rows["prompt_id"].n_unique() == rows.height
        written = rows.height
