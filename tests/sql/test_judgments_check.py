"""The check that bounds a judge's unusable answers."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import check, connect_frames


def failures(verdicts, bound=0.25, judge_id="j", slices=(), slice_=None):
    rows = [
        {
            "judge_id": "j",
            "comparison_id": str(i),
            "a_is": "first",
            "verdict": verdict,
            "commit_version": 0,
        }
        for i, verdict in enumerate(verdicts)
    ]
    judge = {"judge_id": judge_id, "model": "m", "rubric": "r", "max_unparsed_share": bound}
    frames = {
        "judgments": pl.DataFrame(rows, schema=schema_of("judgments")),
        "judges": pl.DataFrame([judge], schema=schema_of("judges")),
        "scores": pl.DataFrame(
            [
                {"experiment": experiment, "iteration": iteration, "ranker_id": ranker}
                for experiment, iteration, ranker in slices
                for _ in range(3)
            ],
            schema=schema_of("scores"),
        ),
    }
    with connect_frames(frames) as connection:
        return check(connection, "judgments_are_usable", slice_ or {})


@pytest.mark.parametrize("unusable", ["unparseable", None])
def test_a_share_at_the_bound_passes_and_above_it_fails(unusable):
    assert failures(["A", "B", "tie", unusable]).is_empty()
    assert failures(["A", "B", unusable]).height == 1


def test_both_kinds_of_unusable_answers_count():
    found = failures(["A", "B", "unparseable", None])
    assert found.rows() == [(None, None, "j", "m", "r", 4, 1, 1, 0.5, 0.25)]


def test_a_bound_of_all_passes_whatever_a_judge_says():
    assert failures([None, "unparseable"], bound=1.0).is_empty()


def test_a_judge_that_is_not_recorded_has_no_bound_and_fails():
    assert failures(["A"], judge_id="another")["judge_id"].to_list() == ["j"]


def test_a_judge_fails_the_slices_that_it_ranked_and_no_other():
    slices = [("e", 1, "j"), ("e", 2, "another"), ("f", 1, "j")]
    found = failures(["unparseable"], slices=slices)
    assert found.select("experiment", "iteration").rows() == [("e", 1), ("f", 1)]
    for iteration, height in ((1, 1), (2, 0)):
        slice_ = {"experiment": "e", "iteration": iteration}
        assert failures(["unparseable"], slices=slices, slice_=slice_).height == height
    assert failures(["A"], slices=slices).is_empty()
