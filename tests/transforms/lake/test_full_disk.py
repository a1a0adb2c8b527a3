"""A disk that is really full: a small tmpfs, which only root may mount."""

import random
import string
import subprocess

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.settings.commits import CommitSettings

TABLE = "dropped_pairs"
ROWS = 2000


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def chunk(draw):
    names = ["".join(draw.choices(string.ascii_letters, k=40)) for _ in range(ROWS)]
    return pl.DataFrame({"experiment": "e", "prompt_id": names, "reason": "a tie"}).with_columns(
        iteration=pl.lit(1, pl.Int32)
    )


def append(lake, rows):
    with Chunks(lake, TABLE, CommitSettings()) as write:
        write(rows)


def fill(lake, draw):
    """Write until the disk is full; return the number of chunks."""
    for written in range(50):
        try:
            append(lake, chunk(draw))
        except InputError:
            return written
    raise AssertionError("the disk is too large")


def test_what_was_committed_stays_and_a_restart_goes_on(small_disk):
    lake, draw = Lake(small_disk / "lake"), random.Random(0)
    lake.append("prompt_splits", pl.DataFrame({"prompt_id": ["p"], "split": ["validation"]}))
    filler = small_disk / "something else"
    filler.write_bytes(b"x" * (512 << 10))
    written = fill(lake, draw)
    with pytest.raises(InputError, match="the disk is full; nothing was added") as error:
        append(lake, chunk(draw))
    assert "run the same command again" in str(error.value)
    assert lake.read(TABLE).height == written * ROWS
    assert lake.read("prompt_splits").height == 1
    filler.unlink()
    append(lake, chunk(draw))
    assert lake.read(TABLE)["prompt_id"].n_unique() == (written + 1) * ROWS


def test_a_slice_that_does_not_fit_leaves_the_table_and_no_files(small_disk):
    lake, draw = Lake(small_disk / "lake"), random.Random(0)
    text = pl.Schema({"text": pl.String})

    def overwrite(count):
        with lake.overwrite_frames("raw_x", text) as write:
            for _ in range(count):
                write(pl.DataFrame({"text": [draw.randbytes(10_000).hex()]}))

    overwrite(3)
    before = lake.read("raw_x")
    with pytest.raises(InputError, match="the disk is full; nothing was added to table raw_x"):
        overwrite(200)
    assert lake.read("raw_x").equals(before)
    assert not list(lake.store.work.glob("staged-*"))
