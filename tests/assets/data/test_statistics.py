from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import polars as pl
import pytest

from assets import reports
from assets.data import statistics
from assets.declare import asset_key
from assets.resources import LakeResource
from assets.study import Study
from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.recipe import Recipe
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED

SUBJECTS = ["bake the bread", "sort the list", "feed the cat"]
PROMPTS = [f"{subject} {number}" for subject in SUBJECTS for number in range(4)]


def turn(role: str, content: str) -> list[dict[str, str]]:
    return [{"role": role, "content": content}]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """What the assets read: pairs, prompts, their splits, an initial model."""
    lake = Lake(tmp_path / "lake")
    pairs = [
        {
            "pair_id": f"{number}",
            "source": "a",
            "prompt_id": f"p{number}",
            "prompt": turn("user", prompt),
            "chosen": turn("assistant", "it is done"),
            "rejected": turn("assistant", "no"),
            "split": "train",
        }
        for number, prompt in enumerate(PROMPTS)
    ]
    prompts = [{**pair, "prompt_chars": 9} for pair in pairs]
    dropped = [{"table": "preference_pairs", "source": "a", "row_key": "x", "reason": "tie"}]
    entered = {"table": "preference_pairs", "source": "a", "entry": "shp", "rows_in": 13}
    for table, rows in {
        "preference_pairs": pairs,
        "prompts": prompts,
        "prompt_splits": [{**pair, "split": "iteration_1"} for pair in pairs],
        "dropped_rows": dropped,
        "source_rows": [entered],
    }.items():
        lake.overwrite(table, pl.DataFrame(rows, schema=schema_of(table)))
    model = checkpoints.workspace(lake, "initial_model", SHARED)
    settings = TinyModelSettings(hidden_size=64, layers=1, heads=2, context_tokens=64)
    make_tiny_model(settings, [pair["prompt"] + pair["chosen"] for pair in pairs], model, seed=0)
    model_id = hash_checkpoint(model)
    checkpoints.record(
        lake,
        model,
        experiment=SHARED,
        iteration=0,
        asset="initial_model",
        checkpoint_id=model_id,
        kind="causal_lm",
        parent_id="",
        reference_id="",
        settings="{}",
        inputs="{}",
    )
    tables = ("preference_pairs", "prompts", "prompt_splits", "dropped_rows")
    outputs = {"initial_model": model_id, **{table: f"{table}@0" for table in tables}}
    for asset, output_id in outputs.items():
        materializations.record(lake, asset=asset, experiment=SHARED, output_id=output_id)
    return lake


def metadata_of(recipe: Recipe, lake: Lake, *names: str) -> dict[str, dict[str, dg.MetadataValue]]:
    """Materialize assets; what their pages show."""
    study = Study(recipe)
    made = dg.materialize(
        [*statistics.build(study), *reports.build(study)],
        selection=[asset_key(name) for name in names],
        resources={"lake": LakeResource(root=str(lake.root))},
    )
    return {name: made.asset_materializations_for_node(name)[0].metadata for name in names}


def test_tokens_are_counted_and_shown_beside_the_paper(make_tiny, lake: Lake) -> None:
    names = ("preference_tokens", "preference_statistics", "length_statistics")
    pages = metadata_of(make_tiny(), lake, *names)
    rows = lake.read("preference_tokens")
    assert sorted(rows["pair_id"]) == sorted(map(str, range(len(PROMPTS))))
    assert rows["tokenizer_id"].unique().to_list() == [lake.read("checkpoints")["checkpoint_id"][0]]
    # "it is done" and "no", each with its end of turn
    assert set(rows["chosen_tokens"]) == {4}
    assert pages["preference_tokens"]["dagster/row_count"].value == len(PROMPTS)
    for name in names[1:]:
        assert pages[name]["plot"].value.startswith(f"![{name}](data:image/png;base64,")
        assert pages[name]["report"].value.startswith("| source")
    summary = unquote(pages["preference_statistics"]["summary"].value)
    assert "a: 12 of 13 kept" in summary
    assert "93301" in pages["preference_statistics"]["report"].value  # pairs of SHP in Table 1


def test_the_map_is_plotted(make_tiny, lake: Lake) -> None:
    page = metadata_of(make_tiny("prompt_map.topics=3"), lake, "prompt_map")["prompt_map"]
    assert lake.read("prompt_map").height == len(PROMPTS)
    assert "data:image/png" in page["map"].value


def test_the_map_is_an_asset_only_where_the_recipe_asks_for_one(make_tiny) -> None:
    def keys(*overrides: str) -> dict[str, dg.AssetsDefinition]:
        assets = statistics.build(Study(make_tiny(*overrides)))
        return {asset.key.to_user_string(): asset for asset in assets}

    assert set(keys()) == {"preference_tokens"}
    by_words = keys("prompt_map.topics=3")["prompt_map"]
    by_meaning = keys("prompt_map.embedding_model=folder")["prompt_map"]
    assert not by_words.op.pool
    assert by_meaning.op.pool == "gpu"
