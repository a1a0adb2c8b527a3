from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.declare import asset_key
from assets.evaluation import length_bias
from assets.loop import iterations
from assets.resources import LakeResource
from assets.study import Study
from training.recipe import Recipe
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.views.query import connect, report

PROMPTS = [f"prompt {number}" for number in range(6)]
WITH_STUDY = ("splits.length_study_fraction=0.1", "splits.length_study_prompts=6")


def fill(lake: Lake, experiment: str, iteration: int) -> None:
    """Write what the assets read: six prompts, three scored responses each, half of length alone.

    Of an even prompt the reward is half the length; of an odd one it does not vary.
    """
    turns = [[{"role": "user", "content": text}] for text in PROMPTS]
    key = {"experiment": experiment, "iteration": iteration}
    rows = [
        {**key, "prompt_id": f"p{number}", "response_index": index, "response": "x" * chars,
         "response_chars": chars, "response_tokens": chars, "finish_reason": "stop",
         "policy_id": "pi_0", "sampling_id": "s", "temperature": 1.0, "top_p": 1.0,
         "max_tokens": 9, "seed": 0, "ranker": "reward_model", "ranker_id": "rm",
         "reward": 1.0 if number % 2 else chars / 2}
        for number in range(len(PROMPTS))
        for index, chars in enumerate((2, 4, 6 + number))
    ]  # fmt: skip
    prompts = [
        {"prompt_id": f"p{number}", "source": "a", "prompt": turn, "prompt_chars": 8,
         "split": "length_study"}
        for number, turn in enumerate(turns)
    ]  # fmt: skip
    tables = {"generations": rows, "scores": rows, "prompts": prompts, "prompt_splits": prompts}
    for name, table in tables.items():
        lake.overwrite(name, pl.DataFrame(table, schema=schema_of(name)))
    for asset in ("prompts", "prompt_splits", "length_study/generations", "length_study/scores"):
        materializations.record(lake, asset=asset, experiment=SHARED, output_id=f"{asset}@0")
    for noun in ("generations", "scores"):
        name = f"iteration_1/{noun}"
        materializations.record(lake, asset=name, experiment=experiment, output_id=f"{noun}@0")


def page(
    assets: list[dg.AssetsDefinition], lake: Lake, name: str, experiment: str | None = None
) -> dict[str, dg.MetadataValue]:
    """Materialize one asset; what its page shows."""
    made = dg.materialize(
        assets,
        selection=[asset_key(name)],
        resources={"lake": LakeResource(root=str(lake.root))},
        partition_key=experiment,
    )
    return made.asset_materializations_for_node(name.replace("/", "__"))[0].metadata


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


def test_the_study_exists_only_if_the_recipe_keeps_prompts_for_it(make_tiny) -> None:
    assert length_bias.build(Study(make_tiny())) == []
    built = {
        asset.key.to_user_string(): asset for asset in length_bias.build(with_study(make_tiny))
    }
    assert set(built) == {
        "length_study/generations",
        "length_study/scores",
        "reward_length_correlation",
    }
    upstream = {
        name: {key.to_user_string() for key in asset.dependency_keys}
        for name, asset in built.items()
    }
    assert upstream["length_study/generations"] == {"prompts", "prompt_splits", "sft_policy"}
    assert "reward_model" in upstream["length_study/scores"]
    assert built["length_study/generations"].op.pool == "gpu"


def with_study(make_tiny) -> Study:
    recipe: Recipe = make_tiny(*WITH_STUDY)
    return Study(recipe)


def test_the_table_its_picture_and_its_summary(make_tiny, lake: Lake) -> None:
    fill(lake, "length_study", 0)
    shown = page(length_bias.build(with_study(make_tiny)), lake, "reward_length_correlation")
    rows = lake.read("reward_length_correlation", experiment="length_study", iteration=0)
    assert rows.height == 2 * len(PROMPTS)
    assert dict(rows["status"].value_counts().rows()) == {"defined": 6, "constant_reward": 6}
    assert rows["pearson"].drop_nulls().to_list() == pytest.approx([1.0] * 6)
    assert shown["heat_map"].value.startswith("![heat map](data:image/png;base64,")
    assert "calibrated_penalty" in shown["summary"].value
    with connect(lake) as connection:
        assert report(connection, "length_bias")["pearson"].to_list() == pytest.approx([1.0, 1.0])


def test_pairs_with_a_calibrated_penalty(make_tiny, lake: Lake) -> None:
    fill(lake, "iterative", 1)
    recipe = make_tiny("loop.pairs.length_penalty=calibrated")
    assets = iterations.build_iteration(Study(recipe), 1)
    shown = page(assets, lake, "iteration_1/dpo_pairs", "iterative")
    with connect(lake) as connection:
        expected = report(connection, "length_bias").filter(unit="chars")
    assert shown["length_penalty"].value == pytest.approx(expected["calibrated_penalty"].item())
    assert 0 < shown["length_penalty"].value < 0.5
    pairs = lake.read("dpo_pairs").sort("prompt_id")
    # lambda lies between the slopes: the long one wins where length is all, and loses elsewhere
    longest_wins = pairs["chosen_response_index"] == 2
    assert longest_wins.to_list() == [True, False] * 3
