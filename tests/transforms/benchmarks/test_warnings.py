import polars as pl
import pytest

from transforms.benchmarks.warnings import CUT, UNSCORED, doubts
from transforms.lake.lake import Lake
from transforms.lake.schemas import SCHEMAS

KEY = {"experiment": "e", "benchmark": "humaneval", "model": "m"}


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def fill(lake, reasons, unscored):
    rows = [KEY | {"item": str(n), "finish_reason": reason} for n, reason in enumerate(reasons)]
    figures = KEY | {"subset": "all", "unscored_items": unscored}
    for table, found in (("benchmark_answers", rows), ("benchmark_results", [figures])):
        lake.append(table, pl.DataFrame(found, schema=SCHEMAS[table]))


def test_scored_texts_that_ended_leave_no_doubt(lake):
    fill(lake, ["stop"] * 9 + ["length"], unscored=0)
    assert doubts(lake, "e", "humaneval") == {}


def test_unscored_and_cut_answers_are_told(lake):
    fill(lake, ["stop", "length"], unscored=2)
    assert doubts(lake, "e", "humaneval") == {
        UNSCORED: "m: 2 items",
        CUT: "m: 50% of the texts",
    }


def test_choices_are_no_texts(lake):
    fill(lake, [None, None], unscored=0)
    assert doubts(lake, "e", "humaneval") == {}
