import json
from pathlib import Path

import dagster as dg

from assets.graph import build_definitions
from assets.staleness import name_of
from training.recipe import Recipe
from training.recipe_file import load_recipe
from transforms.lake.schemas import TABLES

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("graph_snapshot.json")


def graph_of(recipe: Recipe) -> dict[str, dict[str, object]]:
    graph = build_definitions(recipe, "unused").resolve_asset_graph()
    return {
        name_of(key): {
            "group": graph.get(key).group_name,
            "upstream": sorted(name_of(parent) for parent in graph.get(key).parent_keys),
            "partitioned": graph.get(key).partitions_def is not None,
            "pools": sorted(graph.get(key).pools or []),
            "checks": sorted(check.name for check in graph.get(key).check_keys),
        }
        for key in graph.toposorted_asset_keys
    }


def test_graph_is_the_one_on_record() -> None:
    """A changed graph is a changed file in review; tests/assets/snapshot.py rewrites it."""
    assert graph_of(load_recipe(ROOT / "recipes" / "quickstart.yaml")) == json.loads(
        SNAPSHOT.read_text()
    )


def test_iteration_t_samples_from_iteration_t_minus_1(tiny_recipe: Recipe) -> None:
    graph = graph_of(tiny_recipe)
    assert "sft_policy" in graph["iteration_1/generations"]["upstream"]
    assert "iteration_1/policy" in graph["iteration_2/generations"]["upstream"]


def test_every_asset_has_a_description_and_a_group(tiny_recipe: Recipe) -> None:
    graph = build_definitions(tiny_recipe, "unused").resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        assert graph.get(key).description, key
        assert graph.get(key).group_name != "default", key


def test_an_asset_of_a_table_shows_its_grain_and_its_columns(tiny_recipe: Recipe) -> None:
    graph = build_definitions(tiny_recipe, "unused").resolve_asset_graph()
    for name, table in {
        "iteration_1/generations": TABLES["generations"],
        "one_shot/dpo_pairs": TABLES["dpo_pairs"],
        "selected_policy": TABLES["selected_policies"],
    }.items():
        asset = graph.get(dg.AssetKey(name.split("/")))
        assert asset.description.startswith(f"{table.grain} ")
        shown = asset.metadata["dagster/column_schema"]
        assert [column.name for column in shown.columns] == list(table.columns)
        assert [column.description for column in shown.columns] == [
            column.text for column in table.columns.values()
        ]
    raw = graph.get(dg.AssetKey("raw_sample_demonstrations")).metadata["dagster/column_schema"]
    assert raw.columns[0].name == "row_key"
    assert len(raw.columns) > 1


def test_recipe_draws_its_iterations_and_experiments(tiny_recipe: Recipe) -> None:
    definitions = build_definitions(tiny_recipe, "unused")
    jobs = {job.name for job in definitions.resolve_all_job_defs()}
    assert {"whole_loop", "iteration_1", "iteration_2", "from_iteration_2"} <= jobs
    assert "iteration_3" not in jobs
    partitions = definitions.resolve_asset_graph().get(dg.AssetKey(["iteration_1", "scores"]))
    assert partitions.partitions_def.get_partition_keys() == list(tiny_recipe.experiments)
