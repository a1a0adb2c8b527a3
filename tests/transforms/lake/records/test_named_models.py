"""Models found by their asset or by the first digits of their id."""

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records.named_models import find_model
from transforms.lake.schemas import schema_of

OLD, NEW, OTHER, SHOT = "aaaaaa00", "aaaaab00", "cccccc00", "dddddd00"


@pytest.fixture(scope="module")
def lake(tmp_path_factory) -> Lake:
    """A policy that was trained twice, and the same asset of another experiment."""
    rows = [
        {"experiment": experiment, "asset": asset, "checkpoint_id": own, "commit_version": version,
         "kind": "causal_lm", "iteration": int(asset.startswith("iteration_1"))}
        for version, (experiment, asset, own) in enumerate(
            [
                ("one", "iteration_1/policy", OLD),
                ("one", "iteration_1/policy", NEW),
                ("two", "iteration_1/policy", OTHER),
                ("shared", "sft_policy", OLD),
                ("shared", "one_shot/policy", SHOT),
            ]
        )
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema=schema_of("checkpoints"))
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.append("checkpoints", frame.with_columns(pl.col(pl.String).fill_null("")))
    return lake


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("one/iteration_1/policy", NEW),
        ("two/iteration_1/policy", OTHER),
        ("one/1", NEW),
        ("one/latest", NEW),
        ("latest", OTHER),
        ("sft_policy", OLD),
        ("shared/sft_policy", OLD),
        ("one_shot", SHOT),
        ("one_shot/policy", SHOT),
        (OLD, OLD),
        ("cccccc", OTHER),
    ],
)
def test_a_name_is_an_asset_or_the_beginning_of_an_id(lake, name, found):
    assert find_model(lake, name)["checkpoint_id"] == found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("iteration_1/policy", "2 models have the name iteration_1/policy"),
        ("one/2", "did you mean one/1"),
        ("three/latest", "no model has the name three/latest"),
        ("aaaaa", "no model has the name aaaaa"),
        ("sft_polcy", "did you mean sft_policy or shared/sft_policy"),
    ],
)
def test_no_or_several_models_are_refused(lake, name, message):
    with pytest.raises(InputError, match=message):
        find_model(lake, name)
