"""Measured rates in place of predictions, on hand-written rows of `costs`."""

import polars as pl
import pytest

from training.planning.summary import WORK
from transforms.lake.records.predicted_costs import add_actual_costs, predict_costs
from transforms.lake.schemas import schema_of


def costs(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema_of("costs"))


def work(**changes: object) -> pl.DataFrame:
    row = {
        "asset": "iteration_1/generations", "experiment": "iterative", "rows": 64, "tokens": 1024,
        "most_tokens": 2048, "bytes": 4000, "scratch_bytes": 0, "gpus": 2, "elapsed_s": 7.0,
        "gpu_s": 14.0, "origin": "assumed",
    }  # fmt: skip
    return pl.DataFrame([{**row, **changes}], schema=WORK)


MEASURED = costs(
    {"asset": "iteration_1/generations", "experiment": "x", "output_id": "generations@1",
     "elapsed_s": 10.0, "rows": 100, "tokens": 500, "bytes": 1000},
    {"asset": "iteration_2/generations", "experiment": "x", "output_id": "generations@2",
     "elapsed_s": 30.0, "rows": 100, "tokens": 300, "bytes": 3000},
    {"asset": "iteration_1/policy", "experiment": "x", "output_id": "c0ffee",
     "elapsed_s": 8.0, "rows": 16, "tokens": 160, "bytes": 9},
    {"asset": "initial_model", "experiment": "shared", "output_id": "c0ffee", "elapsed_s": 5.0,
     "bytes": 9},
)  # fmt: skip


def test_a_measured_stage_is_predicted_by_its_rates_per_row():
    found = predict_costs(work(), MEASURED).row(0, named=True)
    assert found["elapsed_s"] == pytest.approx(64 * 0.2)
    assert found["gpu_s"] == pytest.approx(2 * 64 * 0.2)
    assert (found["tokens"], found["bytes"]) == (64 * 4, 64 * 20)
    assert (found["origin"], found["time_origin"]) == ("measured", "measured")
    assert found["most_tokens"] == 2048


def test_a_checkpoint_keeps_its_size_and_an_uncounted_asset_has_the_mean():
    policy = work(asset="iteration_1/policy", rows=32)
    found = predict_costs(policy, MEASURED).row(0, named=True)
    assert (found["elapsed_s"], found["tokens"], found["bytes"]) == (16.0, 320, 4000)
    initial = work(asset="initial_model", rows=None, elapsed_s=None, tokens=None)
    found = predict_costs(initial, MEASURED).row(0, named=True)
    assert (found["elapsed_s"], found["tokens"]) == (5.0, None)


def test_an_unmeasured_stage_keeps_its_prediction():
    scores = work(asset="iteration_1/scores")
    found = predict_costs(scores, MEASURED).row(0, named=True)
    assert (found["elapsed_s"], found["origin"], found["time_origin"]) == (
        7.0,
        "assumed",
        "assumed",
    )
    unknown = predict_costs(work(elapsed_s=None), costs()).row(0, named=True)
    assert (unknown["elapsed_s"], unknown["time_origin"]) == (None, None)


def test_what_happened_stands_beside():
    happened = costs(
        {"asset": "sft_policy", "experiment": "shared", "elapsed_s": 4.0, "rows": 7},
    )  # fmt: skip
    planned = pl.concat([work(asset="sft_policy", experiment="shared", rows=100), work()])
    found = add_actual_costs(predict_costs(planned, costs()), happened)
    sft, other = found.rows(named=True)
    assert (sft["actual_elapsed_s"], sft["rows"], sft["actual_rows"]) == (4.0, 100, 7)
    assert other["actual_elapsed_s"] is None
