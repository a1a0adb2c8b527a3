"""What a recipe will cost: sizes by arithmetic, rates from a hand-written `costs`."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.plan import count_known_rows, count_weights, plan_work
from training.models.initial_model import make_tiny_model
from transforms.lake.lake import Lake
from transforms.lake.records.predicted_costs import add_actual_costs, predict_costs
from transforms.lake.schemas import schema_of

ROOT = Path(__file__).resolve().parents[3]


def costs(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema_of("costs"))


@pytest.fixture
def work(tiny_recipe) -> pl.DataFrame:
    return plan_work(tiny_recipe, {"demonstrations": 100, "preference_pairs": 200}, 1000)


def row(frame: pl.DataFrame, asset: str, experiment: str) -> dict:
    return frame.row(
        by_predicate=(pl.col("asset") == asset) & (pl.col("experiment") == experiment), named=True
    )


def test_sizes_follow_from_the_recipe(work):
    # 16 prompts, 4 responses of at most 16 tokens; DPO: 2 epochs of pairs of at most 128 tokens
    generations = row(work, "iteration_2/generations", "concise")
    assert (generations["rows"], generations["tokens"]) == (64, 1024)
    policy = row(work, "iteration_1/policy", "iterative")
    assert (policy["rows"], policy["tokens"], policy["bytes"]) == (32, 32 * 2 * 128, 4000)
    assert row(work, "sft_policy", "shared")["rows"] == 100
    assert row(work, "reward_model", "shared")["rows"] == 300
    assert row(work, "one_shot/generations", "shared")["rows"] == 128
    # 12 + 8 prompts, 2 sampled and 1 greedy response, 2 iterates
    assert row(work, "evaluation", "iterative")["tokens"] == 20 * 3 * 2 * 16


def test_a_refresh_sees_all_labels_so_far_and_as_many_old_pairs(make_tiny):
    recipe = make_tiny("experiments.refreshed.feedback={labels: 10, reward_model: {epochs: 3}}")
    work = plan_work(recipe, {"demonstrations": 100, "preference_pairs": 200}, 1000)
    assert row(work, "iteration_2/label_queue", "refreshed")["rows"] == 10
    assert row(work, "iteration_2/reward_model", "refreshed")["rows"] == 2 * 10 * 2 * 3
    assert "iteration_2/reward_model" not in work.filter(experiment="iterative")["asset"].to_list()


def test_what_is_not_known_stays_empty(tiny_recipe):
    work = plan_work(tiny_recipe, {}, None)
    assert row(work, "sft_policy", "shared") == {
        "asset": "sft_policy", "experiment": "shared", "rows": None, "tokens": None, "bytes": None,
    }  # fmt: skip
    assert predict_costs(work, costs())["elapsed_s"].is_null().all()


def test_a_measured_stage_is_predicted_by_its_rates_a_row(work):
    measured = costs(
        {"asset": "iteration_1/generations", "experiment": "x", "output_id": "generations@1",
         "elapsed_s": 10.0, "rows": 100, "tokens": 500, "bytes": 1000},
        {"asset": "iteration_2/generations", "experiment": "x", "output_id": "generations@2",
         "elapsed_s": 30.0, "rows": 100, "tokens": 300, "bytes": 3000},
        {"asset": "iteration_1/policy", "experiment": "x", "output_id": "c0ffee",
         "elapsed_s": 8.0, "rows": 16, "tokens": 160, "bytes": 9},
        {"asset": "initial_model", "experiment": "shared", "output_id": "c0ffee", "elapsed_s": 5.0,
         "bytes": 9},
    )  # fmt: skip
    found = predict_costs(work, measured)
    generations = row(found, "iteration_1/generations", "iterative")
    assert (generations["elapsed_s"], generations["tokens"], generations["bytes"]) == pytest.approx(
        (64 * 0.2, 64 * 4, 64 * 20)
    )
    policy = row(found, "iteration_1/policy", "iterative")
    assert (policy["elapsed_s"], policy["tokens"], policy["bytes"]) == (16.0, 320, 4000)
    assert row(found, "initial_model", "shared")["elapsed_s"] == 5.0
    assert row(found, "reward_model", "shared")["elapsed_s"] is None


def test_what_happened_stands_beside(work):
    happened = costs(
        {"asset": "sft_policy", "experiment": "shared", "elapsed_s": 4.0, "rows": 7},
    )  # fmt: skip
    found = add_actual_costs(predict_costs(work, costs()), happened)
    sft = row(found, "sft_policy", "shared")
    assert (sft["actual_elapsed_s"], sft["rows"], sft["actual_rows"]) == (4.0, 100, 7)
    assert row(found, "evaluation", "iterative")["actual_elapsed_s"] is None
    assert found.height == work.height


def test_sizes_are_those_of_the_lake_where_there_is_one(tiny_recipe, tmp_path):
    lake = Lake(tmp_path)
    assert count_known_rows(tiny_recipe, lake) == {"demonstrations": 400, "preference_pairs": 400}
    rows = (
        pl.DataFrame(schema=schema_of("demonstrations")).clear(3).with_columns(source=pl.lit("s"))
    )
    lake.append("demonstrations", rows)
    assert count_known_rows(tiny_recipe, lake)["demonstrations"] == 3


def test_weights_are_counted_from_settings_and_from_headers(tiny_recipe, tmp_path):
    tiny = tiny_recipe.model.tiny.model_copy(update={"vocab_size": 16})
    words = [[{"role": "user", "content": " ".join(f"w{n}" for n in range(99))}]]
    make_tiny_model(tiny, words, tmp_path, seed=0)
    made = tiny_recipe.model.model_copy(update={"tiny": tiny})
    read = tiny_recipe.model.model_copy(update={"tiny": None, "path": str(tmp_path)})
    assert count_weights(made) == count_weights(read)
    assert count_weights(read.model_copy(update={"path": "org/model"})) is None


def test_the_command_says_what_it_rests_on(tiny_overrides, tmp_path):
    words = [word for override in tiny_overrides for word in ("--set", override)]
    recipe = str(ROOT / "recipes" / "quickstart.yaml")
    printed = CliRunner().invoke(app, ["plan", recipe, "--home", str(tmp_path), *words]).stdout
    assert "there are no measured seconds" in printed
    assert "MB of disk" in printed
    row = {"asset": "iteration_1/scores", "experiment": "iterative", "output_id": "scores@0",
           "elapsed_s": 2.5, "rows": 64, "bytes": 640}  # fmt: skip
    Lake(tmp_path / "lake").append("costs", costs(row))
    printed = CliRunner().invoke(app, ["plan", recipe, "--home", str(tmp_path), *words]).stdout
    assert "actual elapsed s" in printed
    assert "2.500" in printed
