"""The assets over real tiny models and a bench set written here."""

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from assets.evaluation import reward_bench
from assets.graph import build_definitions
from assets.resources import LakeResource
from assets.staleness import name_of
from assets.study import Study
from training.models.checkpoint import hash_checkpoint
from training.models.comparison_prompts import add_unknown_words
from training.models.initial_model import make_tiny_model
from training.models.rendering import load_tokenizer
from training.recipe import Recipe
from training.settings.model import TinyModelSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.schemas.table import SHARED

SUBSETS = ["alpacaeval-easy", "mt-bench-hard"]


def record(lake: Lake, name: str, folder: Path) -> None:
    """Put a model into the lake as a training would have."""
    empty = {"parent_id": "", "reference_id": "", "settings": "{}", "inputs": "{}"}
    model = checkpoints.record(
        lake,
        folder,
        experiment=SHARED,
        iteration=0,
        asset=name,
        checkpoint_id=hash_checkpoint(folder),
        kind=name,
        **empty,
    )
    materializations.record(lake, asset=name, experiment=SHARED, output_id=model.checkpoint_id)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A reward model and a preference model of random weights."""
    folders = {
        name: tmp_path_factory.mktemp("models") / name
        for name in ("reward_model", "preference_model")
    }
    shape = TinyModelSettings(hidden_size=64, layers=1, heads=2, context_tokens=128)
    talk = [{"role": "user", "content": "name a red cat it is done no"}]
    for folder in folders.values():
        make_tiny_model(shape, [talk], folder, seed=0)
    torch.manual_seed(0)
    rewards = AutoModelForSequenceClassification.from_pretrained(
        folders["reward_model"], num_labels=1
    )
    rewards.save_pretrained(folders["reward_model"])
    compares = AutoModelForCausalLM.from_pretrained(folders["preference_model"])
    tokenizer = load_tokenizer(folders["preference_model"])
    add_unknown_words(tokenizer)
    compares.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    compares.save_pretrained(folders["preference_model"])
    tokenizer.save_pretrained(folders["preference_model"])
    return folders


@pytest.fixture
def lake(tmp_path: Path, models: dict[str, Path]) -> Lake:
    """A lake with both models."""
    lake = Lake(tmp_path / "lake")
    for name, folder in models.items():
        place = checkpoints.workspace(lake, name, SHARED)
        shutil.copytree(folder, place)
        record(lake, name, place)
    return lake


@pytest.fixture
def override(tmp_path: Path) -> str:
    """The setting that names six pairs, one of them longer than the reward model was to read."""
    rows = [
        {"subset": SUBSETS[number % 2], "id": number, "prompt": f"name a red cat {number}"}
        | {"chosen": "it is done", "rejected": "no " * (40 if number == 5 else 1 + number)}
        for number in range(6)
    ]
    file = tmp_path / "filtered.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return f"reward_bench={json.dumps({'reward_bench': {'files': [str(file)]}})}"


def materialize(recipe: Recipe, lake: Lake) -> dict[str, dict[str, dg.MetadataValue]]:
    """Run the assets; what their pages show."""
    assets = reward_bench.build(Study(recipe))
    made = dg.materialize(assets, resources={"lake": LakeResource(root=str(lake.root))})
    return {
        name_of(asset.key): made.asset_materializations_for_node(asset.node_def.name)[0].metadata
        for asset in assets
    }


def test_results_and_table_2(make_tiny, lake: Lake, override: str) -> None:
    short = ("reward_model.max_tokens=32", "preference_model.max_tokens=128")
    pages = materialize(make_tiny(override, *short), lake)
    rows = lake.read("reward_bench_results")
    ids = dict(lake.read("checkpoints").select("asset", "checkpoint_id").rows())
    assert set(rows.select("bench", "model", "model_id", "kind", "mixture").rows()) == {
        ("reward_bench", name, ids[name], name, "all")
        for name in ("reward_model", "preference_model")
    }
    assert set(rows["weights"]) == {None, "reference", "before_2024_09"}
    subsets = rows.filter(level="subset").sort("model", "metric", "name")
    counted = subsets.filter(metric="pair_accuracy").select("model", "pairs", "unscored_pairs")
    assert counted.rows() == [
        ("preference_model", 3, 0),
        ("preference_model", 3, 0),
        ("reward_model", 3, 0),
        ("reward_model", 2, 1),
    ]
    # "it is done" has ten characters, "no " * n three each: longer than n of 1 and 3, 2 only
    longer = subsets.filter(metric="longer_wins")["value"].to_list()
    assert longer == pytest.approx([200 / 3, 100 / 3, 200 / 3, 50.0])
    dropped = lake.read("dropped_rows")
    assert dropped.select("source", "row_key", "reason").rows() == [
        ("reward_bench/reward_model/reward_bench", "mt-bench-hard:5", "too_long")
    ]
    for name in ("reward_bench/reward_model", "reward_bench/preference_model"):
        assert "alpacaeval-length" in pages[name]["sections"].value  # missing
    assert "LLaMA-3-8B-it" in pages["reward_bench"]["report"].value


def test_a_judges_rows_stand_beside_the_models(
    make_tiny, lake: Lake, override: str, serve_judge
) -> None:
    address = serve_judge(lambda conversation, a, b: len(a) - len(b))
    recipe = make_tiny(override, f"judge={{address: {address}, model: longer}}")
    materialize(recipe, lake)
    rows = lake.read("reward_bench_results").filter(model="judge")
    assert set(rows.select("kind", "mixture").rows()) == {("judge", "")}
    by_metric = [
        rows.filter(metric=metric, level="subset").sort("name")["value"].to_list()
        for metric in ("pair_accuracy", "longer_wins")
    ]
    assert by_metric[0] == by_metric[1]  # this judge is length alone
    assert lake.read("judgments").height == 2 * 6  # both orders
    assert rows["model_id"].unique().to_list() == lake.read("judges")["judge_id"].to_list()


def test_a_second_run_replaces_the_rows(make_tiny, lake: Lake, override: str) -> None:
    recipe = make_tiny(override, "reward_model.max_tokens=32")
    materialize(recipe, lake)
    once = lake.read("reward_bench_results")
    materialize(recipe, lake)
    assert lake.read("reward_bench_results").equals(once)


def test_the_assets_exist_only_if_the_recipe_names_a_set(make_tiny, override: str) -> None:
    def list_assets(*overrides: str) -> dict[str, tuple[list[str], list[str]]]:
        graph = build_definitions(make_tiny(*overrides), "unused").resolve_asset_graph()
        return {
            name_of(key): (
                sorted(map(name_of, graph.get(key).parent_keys)),
                sorted(graph.get(key).pools or []),
            )
            for key in graph.toposorted_asset_keys
            if name_of(key).startswith(("reward_bench", "labelled_pairs"))
        }

    assert list_assets() == {}
    alone = {
        "reward_bench/reward_model": (["reward_model"], ["gpu"]),
        "labelled_pairs": (["reward_bench/reward_model"], []),
    }
    assert list_assets("reward_bench.llmbar.files=[Natural/dataset.json]") == alone
    table_2 = {"reward_bench": (["reward_bench/reward_model"], [])}
    assert list_assets(override) == alone | table_2
    several = list_assets(
        override, "reward_models.small.learning_rate=0.1", "preference_model.epochs=1"
    )
    assert several["reward_bench"][0] == [
        "reward_bench/preference_model",
        "reward_bench/reward_model",
        "reward_bench/reward_model_small",
    ]
    assert several["reward_bench/reward_model_small"] == (["reward_model_small"], ["gpu"])


def test_a_recipe_with_an_unknown_set_is_refused(make_tiny) -> None:
    with pytest.raises(InputError, match="no such set"):
        make_tiny("reward_bench.reward_bunch.files=[a.jsonl]")


def test_files_are_taken_from_the_recipes_folder(make_tiny) -> None:
    recipe = make_tiny("reward_bench.llmbar.files=[bench/Natural/dataset.json]")
    (file,) = recipe.reward_bench["llmbar"].files
    assert Path(file).is_absolute()
    assert Path(file).parts[-4:] == ("recipes", "bench", "Natural", "dataset.json")
