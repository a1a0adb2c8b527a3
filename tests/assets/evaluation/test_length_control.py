"""The asset of win rates at equal length, and recipes with and without it."""

import dagster as dg
import polars as pl
import pytest

from assets.declare import asset_key
from assets.evaluation import held_out, length_control
from assets.metadata import SETTINGS
from assets.resources import LakeResource
from assets.study import Study
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.views.query import connect, report

ON = "evaluation.length_control=true"


def responses(model: str, experiment: str, iteration: int, chars: list[int]) -> pl.DataFrame:
    rows = [
        {
            "experiment": experiment,
            "iteration": iteration,
            "model": model,
            "policy_id": model,
            "split": "evaluation",
            "decoding": "sampled",
            "prompt_id": f"p{number}",
            "response_index": 0,
            "response": model[0] * length,
            "response_chars": length,
            "reward": float(length),
        }
        for number, length in enumerate(chars)
    ]
    return pl.DataFrame(rows, schema=schema_of("evaluation_responses"))


def test_it_exists_if_enabled_and_changes_no_record(make_tiny):
    off, on = Study(make_tiny()), Study(make_tiny(ON))
    assert length_control.build(off) == []
    (asset,) = length_control.build(on)
    assert asset.key == asset_key("length_controlled_win_rates")
    recorded = [
        {
            key: value.value
            for asset in held_out.build(study)
            for key, value in asset.metadata_by_key[asset.key].items()
            if key.startswith(SETTINGS)
        }
        for study in (off, on)
    ]
    assert recorded[0] == recorded[1]


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake = Lake(tmp_path / "lake")
    frames = [
        responses(model, SHARED, 0, [10, 12, 9, 14, 11, 8]) for model in held_out.BASELINES
    ] + [
        responses(f"iteration_{t}/policy", "iterative", t, [9 + t, 15, 8, 17, 13, 7])
        for t in (1, 2)
    ]
    lake.append("evaluation_responses", pl.concat(frames))
    for asset, experiment in (("evaluation", "iterative"), ("baseline_evaluation", SHARED)):
        materializations.record(lake, asset=asset, experiment=experiment, output_id="r@0")
    return lake


def test_every_iterate_meets_every_baseline(make_tiny, lake):
    made = dg.materialize(
        length_control.build(Study(make_tiny(ON))),
        partition_key="iterative",
        resources={"lake": LakeResource(root=str(lake.root))},
    )
    assert made.success
    rows = lake.read("length_controlled_win_rates", experiment="iterative")
    assert rows.select("model", "versus", "judged_by").n_unique() == rows.height == 2 * 3
    assert set(rows["judged_by"]) == {"reward"}
    # the reward is the length: three of six are longer, one is as long where t is 1
    assert (
        rows.sort("model")["win_rate"].to_list()
        == [pytest.approx(3.5 / 6)] * 3 + [pytest.approx(4 / 6)] * 3
    )
    with connect(lake) as connection:
        assert report(connection, "length_control").height == 6
