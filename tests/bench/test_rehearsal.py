"""The dress rehearsal: its rows, its recipe, and its checks; not the run of the whole graph."""

from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from typer.testing import CliRunner

from assets.cli.app import app
from bench.rehearsal.files import EVALUATION_SETS, SOURCES
from bench.rehearsal.outcome import find_weight_problems
from bench.rehearsal.small_recipe import SHIPPED, list_replaced, replace_settings, write_study
from bench.rehearsal.texts import Texts
from training.recipe_file import load_recipe
from transforms.settings.overrides import merge
from transforms.sources.catalog import CATALOGUE


@pytest.fixture(scope="module")
def shipped():
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def test_every_source_of_the_recipe_has_rows(shipped):
    assert set(SOURCES) == set(shipped["sources"])
    assert set(EVALUATION_SETS) == set(shipped["evaluation_sets"])


@pytest.mark.parametrize("name", SOURCES)
def test_rows_have_the_columns_that_the_catalogue_reads(name):
    rows = SOURCES[name].make(Texts(name), 30)
    assert rows
    for row in rows:
        assert set(CATALOGUE[name].native) <= set(row)


def test_contexts_have_the_relations_of_the_shipped_recipe(shipped):
    names = [*SOURCES, *EVALUATION_SETS]
    small = replace_settings(shipped, Path("study"), dict.fromkeys(names, ("file.json",)))

    def limits(recipe):
        sampling = recipe["loop"]["sampling"]
        return [
            recipe["sft"]["max_tokens"],
            recipe["reward_model"]["max_tokens"],
            recipe["loop"]["dpo"]["max_tokens"],
            sampling["max_tokens"],
            sampling["max_context_tokens"],
            recipe["experiments"]["published_scripts"]["dpo"]["max_tokens"],
        ]

    both = zip(limits(shipped), limits(merge(shipped, small)), strict=True)
    assert {large / little for large, little in both} == {16}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_of_another_type_are_a_problem(tmp_path, dtype):
    save_file({"weight": torch.ones(2, dtype=dtype)}, tmp_path / "model.safetensors")
    assert bool([*find_weight_problems(tmp_path, "torch.float32")]) == (dtype == torch.bfloat16)


@pytest.mark.slow
def test_the_small_recipe_is_loaded_and_planned(tmp_path):
    path = write_study(tmp_path, rows=30)
    recipe = load_recipe(path)
    assert list(recipe.experiments) == ["paper", "published_scripts"]
    assert recipe.sft.packing
    assert recipe.sft.accelerate_config.endswith("recipes/accelerate/fsdp.yaml")
    assert "sft.processes: 8 -> 2" in list_replaced(path)
    planned = CliRunner().invoke(app, ["plan", str(path), "--home", str(tmp_path / "home")])
    assert planned.exit_code == 0, planned.output
    assert "published_scripts" in planned.output
