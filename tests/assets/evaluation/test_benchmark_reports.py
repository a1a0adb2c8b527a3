"""Assets of Tables 4 to 6 and Figure 8: which exist, and the content of their pages."""

from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.evaluation import benchmarks
from assets.resources import LakeResource
from assets.study import Study
from training.recipe import Recipe
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED


def tables_of(recipe: Recipe) -> dict[str, dg.AssetsDefinition]:
    study = Study(recipe)
    built = benchmarks.build_reports(study, benchmarks.build(study))
    return {asset.key.to_user_string(): asset for asset in built}


@pytest.fixture
def with_gsm8k(make_tiny) -> Recipe:
    return make_tiny("benchmarks.gsm8k.data.test.files=[gsm8k.jsonl]")


def test_a_recipe_without_benchmarks_has_no_tables(make_tiny) -> None:
    assert tables_of(make_tiny()) == {}


def test_a_table_exists_if_the_recipe_has_a_benchmark_of_it(with_gsm8k: Recipe) -> None:
    tables = tables_of(with_gsm8k)
    assert set(tables) == {"academic_benchmarks", "ablations", "benchmark_comparison"}
    for table in tables.values():
        assert {key.to_user_string() for key in table.dependency_keys} == {
            "baseline_benchmarks/gsm8k",
            "benchmarks/gsm8k",
        }
        assert table.partitions_def.get_partition_keys() == list(with_gsm8k.experiments)


def test_only_shared_models_make_a_table_of_no_experiment(make_tiny) -> None:
    tables = tables_of(
        make_tiny(
            "benchmarks.gsm8k.data.test.files=[gsm8k.jsonl]", "benchmarks.gsm8k.models=[sft_policy]"
        )
    )
    assert {table.partitions_def for table in tables.values()} == {None}


def test_a_page_has_the_experiment_the_baselines_and_the_paper(
    with_gsm8k: Recipe, tmp_path: Path
) -> None:
    lake = Lake(tmp_path)
    policies = [
        (SHARED, "sft_policy", 12.5),
        ("iterative", "iteration_2/policy", 25.0),
        ("concise", "iteration_2/policy", 37.5),
    ]
    rows = [
        {"experiment": experiment, "iteration": 0, "model": model, "policy_id": experiment,
         "benchmark": "gsm8k", "subset": "all", "metric": "exact_match_flexible", "value": value,
         "standard_error": 1.0, "items": 8}
        for experiment, model, value in policies
    ]  # fmt: skip
    lake.overwrite("benchmark_results", pl.DataFrame(rows, schema_of("benchmark_results")))
    for asset, experiment in (("baseline_benchmarks", SHARED), ("benchmarks", "iterative")):
        materializations.record(
            lake, asset=f"{asset}/gsm8k", experiment=experiment, output_id="benchmark_results@0"
        )
    made = dg.materialize(
        list(tables_of(with_gsm8k).values()),
        partition_key="iterative",
        resources={"lake": LakeResource(root=str(lake.root))},
    )
    pages = {
        name: made.asset_materializations_for_node(name)[0].metadata
        for name in ("academic_benchmarks", "ablations", "benchmark_comparison")
    }
    table_5 = pages["academic_benchmarks"]["report"].value
    assert "12.5" in table_5
    assert "iterative: iteration_2" in table_5
    assert "concise" not in table_5
    assert "Table 5, page 18" in table_5
    assert pages["academic_benchmarks"]["dagster/row_count"].value == 2 + 4
    assert pages["ablations"]["dagster/row_count"].value == 1 + 3
    assert "data:image/png" in pages["benchmark_comparison"]["plot"].value
