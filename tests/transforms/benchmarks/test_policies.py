"""Policies found by their name."""

import polars as pl
import pytest

from transforms.benchmarks.policies import find_measured_policy
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

OLD, NEW, REWARD = "aaaaaa" + "0" * 26, "aaaaab" + "0" * 26, "cccccc" + "0" * 26


@pytest.fixture
def lake(tmp_path) -> Lake:
    """Two trainings of one asset, and a reward model."""
    rows = [
        {
            "experiment": "base",
            "iteration": iteration,
            "asset": asset,
            "checkpoint_id": checkpoint_id,
            "kind": kind,
            "path": f"checkpoints/{checkpoint_id}",
            "commit_version": version,
        }
        for version, (asset, iteration, checkpoint_id, kind) in enumerate(
            [
                ("iteration_1/policy", 1, OLD, "causal_lm"),
                ("iteration_1/policy", 1, NEW, "causal_lm"),
                ("reward_model", 0, REWARD, "reward_model"),
            ]
        )
    ]
    schema = schema_of("checkpoints")
    lake = Lake(tmp_path)
    lake.append(
        "checkpoints",
        pl.DataFrame(rows, schema=schema).with_columns(pl.col(pl.String).fill_null("")),
    )
    return lake


def test_the_newest_checkpoint_has_its_assets_name_and_an_older_one_its_id(lake):
    for model in (OLD, NEW):
        (lake.root / "checkpoints" / model).mkdir(parents=True)
    measured, checkpoint = find_measured_policy(lake, NEW[:8])
    assert measured == ("base", 1, "iteration_1/policy", NEW)
    assert checkpoint == (NEW, lake.root / "checkpoints" / NEW)
    measured, _ = find_measured_policy(lake, OLD)
    assert measured.model == f"iteration_1/policy@{OLD[:12]}"


def test_a_model_of_another_kind_is_refused(lake):
    with pytest.raises(InputError, match="reward_model is not a policy"):
        find_measured_policy(lake, "reward_model")
