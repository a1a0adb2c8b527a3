import json
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

import assets
import training
import transforms
from training.recipe_file import load_recipe

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "transformers", "trl", "vllm", "accelerate", "datasets")


def test_packages_are_this_checkout() -> None:
    for package in (assets, training, transforms):
        assert Path(package.__file__).is_relative_to(ROOT)


def test_layers_point_down() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("module", ["assets.definitions", "training.recipe", "assets.cli.app"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, json, {module}; print(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert json.loads(printed.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize(
    "recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_recipe_is_accepted(recipe: Path) -> None:
    loaded = load_recipe(recipe)
    assert loaded.name == recipe.stem
    for experiment in loaded.experiments:
        loaded.loop_of(experiment)


def test_no_package_init_below_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
