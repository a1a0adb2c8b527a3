"""The check that bounds a benchmark's unusable verdicts, and the report of judged benchmarks."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.views.query import check, connect_frames, report

MODEL = {
    "experiment": SHARED,
    "iteration": 0,
    "model": "sft_policy",
    "policy_id": "p",
    "benchmark": "b",
    "benchmark_id": "i",
}


def frames(verdicts, bound=0.25, judge_id="j", results=({},), **other):
    """Verdicts as (share, error, repeat); `other`: columns of verdicts."""
    rows = [
        {
            **MODEL,
            "item": str(n),
            "judge_id": "j",
            "share": share,
            "error": error,
            "repeat": repeat,
            "commit_version": 0,
            **other,
        }
        for n, (share, error, repeat) in enumerate(verdicts)
    ]
    judge = {"judge_id": judge_id, "model": "m", "max_unparsed_share": bound}
    return {
        "benchmark_verdicts": pl.DataFrame(rows, schema=schema_of("benchmark_verdicts")),
        "judges": pl.DataFrame([judge], schema=schema_of("judges")),
        "benchmark_results": pl.DataFrame(
            [{**MODEL, "subset": "all", **row} for row in results],
            schema=schema_of("benchmark_results"),
        ),
    }


def failures(*verdicts, **named):
    with connect_frames(frames(verdicts, **named)) as connection:
        return check(connection, "benchmark_verdicts_are_usable")


GOOD, SILENT, FAILED = (1.0, None, 0), (None, None, 0), (None, "time-out", 0)


@pytest.mark.parametrize("unusable", [SILENT, FAILED])
def test_a_share_at_the_bound_passes_and_above_it_fails(unusable):
    assert failures(GOOD, GOOD, GOOD, unusable).is_empty()
    assert failures(GOOD, GOOD, unusable).height == 1


def test_both_kinds_count_and_repeats_do_not():
    (row,) = failures(GOOD, SILENT, FAILED, (*FAILED[:2], 1)).to_dicts()
    assert (row["requests"], row["without_verdict"], row["unanswered"]) == (3, 1, 1)
    assert row["first_error"] == "time-out"
    assert failures(GOOD, (*SILENT[:2], 1)).is_empty()


@pytest.mark.parametrize("column", ["policy_id", "benchmark_id"])
def test_verdicts_on_a_replaced_policy_or_of_other_settings_do_not_count(column):
    assert failures(SILENT, **{column: "old"}).is_empty()


def test_a_judge_that_is_not_recorded_has_no_bound_and_fails():
    assert failures(GOOD, judge_id="another").height == 1


def test_the_report_puts_the_judges_noise_beside_the_score():
    results = [
        {"metric": "win_rate", "value": 60.0, "standard_error": 4.0, "items": 3, "judge_id": "j"},
        {"metric": "length_controlled_win_rate", "value": 55.0, "judge_id": "j", "note": "n"},
        {"metric": "judge_flips", "value": 5.0, "judge_id": "j"},
        {"metric": "accuracy", "value": 1.0},  # nobody judged it
        {"metric": "win_rate", "value": 9.0, "subset": "hard_prompt", "judge_id": "j"},
    ]
    tables = frames([GOOD, SILENT, (0.0, None, 0), (*FAILED[:2], 1)], results=results)
    with connect_frames(tables) as connection:
        (row,) = report(connection, "judged_benchmarks").to_dicts()
    assert (row["metric"], row["score"], row["score_se"], row["items"]) == ("win_rate", 60, 4, 3)
    assert (row["length_controlled"], row["judge_flips"], row["judge_sd"]) == (55.0, 5.0, None)
    assert row["note"] == "n"
    assert row["unusable"] == pytest.approx(100 / 3)
    assert (row["judge"], row["judge_id"]) == ("m", "j")
