"""Several writers of one table, and a store that is away for a while: nothing lost or doubled."""

import subprocess
import sys
import threading
import time

import polars as pl
import pytest
from deltalake.exceptions import CommitFailedError, DeltaError

from transforms.lake import commit
from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.commits import CommitSettings

pytestmark = pytest.mark.slow
TABLE, APPENDS, WRITERS, CHUNKS = "raw_x", 25, 4, 60
APPENDER = f"""
import sys
import polars as pl
from transforms.lake.lake import Lake
for number in range({APPENDS}):
    rows = pl.DataFrame({{"row_key": [f"{{sys.argv[2]}}_{{number}}"]}})
    Lake(sys.argv[1]).append("{TABLE}", rows)
"""


@pytest.fixture(params=["weed", "moto"])
def lake(request, make_address, monkeypatch):
    monkeypatch.setattr("transforms.lake.store.conditional_puts.find_faults", lambda _: [])
    lake = Lake(make_address(request.param))
    lake.append(TABLE, pl.DataFrame({"row_key": ["first"]}))
    return lake


@pytest.mark.parametrize("lake", ["weed"], indirect=True)  # moto takes minutes on a busy machine
def test_no_append_of_four_processes_is_lost(lake):
    writers = [
        subprocess.Popen([sys.executable, "-c", APPENDER, lake.root, str(one)])
        for one in range(WRITERS)
    ]
    assert [writer.wait() for writer in writers] == [0] * WRITERS
    assert lake.version(TABLE) == APPENDS * WRITERS
    keys = lake.read(TABLE)["row_key"]
    assert (keys.len(), keys.n_unique()) == (APPENDS * WRITERS + 1,) * 2


def test_of_two_writers_of_a_slice_the_later_one_replaces_the_other(lake, monkeypatch):
    """The second one commits between the first one's look at the table and its own commit."""
    scores, slice_ = pl.Schema(schema_of("scores")), {"experiment": "a", "iteration": 1}

    def make(reward):
        return pl.DataFrame([{**slice_, "prompt_id": "p", "reward": reward}], schema=scores)

    lake.overwrite("scores", make(0.0), **slice_)
    others, failed, write = [make(2.0)], [], commit.write_deltalake

    def write_after_another(*args, **kwargs):
        if others:
            Lake(lake.root).overwrite("scores", others.pop(), **slice_)
        try:
            write(*args, **kwargs)
        except CommitFailedError as error:
            failed.append(error)
            raise

    monkeypatch.setattr(commit, "write_deltalake", write_after_another)
    lake.overwrite("scores", make(1.0), **slice_)
    assert len(failed) == 1
    assert lake.read("scores")["reward"].to_list() == [1.0]
    assert lake.version("scores") == 2


@pytest.mark.parametrize("lake", ["weed"], indirect=True)
def test_a_store_that_is_away_for_a_while_loses_and_doubles_nothing(lake, start_server):
    server, errors = start_server("weed"), 0

    def crash():
        time.sleep(1.5)
        server.kill()
        time.sleep(4)
        server.start()

    crashing = threading.Thread(target=crash)
    crashing.start()
    for number in range(CHUNKS):
        rows = pl.DataFrame({"row_key": [f"{number}_{row}" for row in range(4)]})
        while True:
            try:
                with Chunks(lake, TABLE, CommitSettings()) as write:
                    write(rows)
                break
            except (DeltaError, OSError):
                errors += 1
                assert errors < 100
                time.sleep(0.5)
        time.sleep(0.05)
    crashing.join()
    keys = lake.read(TABLE)["row_key"]
    assert (keys.len(), keys.n_unique()) == (4 * CHUNKS + 1,) * 2
    assert lake.version(TABLE) == CHUNKS
