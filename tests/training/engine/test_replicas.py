"""Replicas on this machine and on a Ray cluster: the same rows, the same errors."""

import polars as pl
import psutil
import pytest

from transforms.errors import InputError

pytestmark = pytest.mark.slow


def find_stages() -> list[int]:
    """Processes of the fake stage."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "tests.training.engine.fake_stage" in (process.info["cmdline"] or [])
    ]


def test_every_row_is_computed_once_from_one_frame_or_several(double, numbers, cluster):
    found, printed = double("", "", rows=numbers.iter_slices(3), cluster=cluster)
    assert found.sort("n")["n"].to_list() == [2 * n for n in range(10)]
    assert sum(one["rows"] for one in printed) == 10
    assert [one["devices"]["replicas"] for one in printed] == [1, 1]
    assert [one["devices"]["cluster"] for one in printed] == [None, None]


def test_a_replica_without_rows_is_not_started(double, numbers, cluster):
    found, printed = double("", "", rows=numbers.head(1), cluster=cluster)
    assert (found.height, len(printed)) == (1, 1)
    assert double("", "", rows=numbers.clear(), cluster=cluster)[1] == []


def test_a_refusal_is_the_same_error_and_costs_no_other_row(double, cluster):
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError, match=r"replica 1 of 2: bad rows\n.*good ones") as error:
        double("", "refuse", commit=chunks.append, cluster=cluster)
    assert error.value.parts["remedy"] == "drop them"
    assert pl.concat(chunks).height == 10
    assert not find_stages()


def test_a_replica_that_fails_before_its_first_rows_stops_all(double, cluster):
    with pytest.raises(RuntimeError, match=r"(?s)replica 0 .*status 1:.*no such weights"):
        double("unloadable", "wait", cluster=cluster)
    assert not find_stages()


def test_an_error_of_a_commit_ends_the_replicas(double, cluster):
    def refuse(chunk):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        double("wait", "wait", commit=refuse, cluster=cluster)
    assert not find_stages()
