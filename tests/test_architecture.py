import json
import re
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import grimp
import numpy as np
import pytest
import scipy.sparse
from importlinter.cli import lint_imports
from scipy.sparse.csgraph import connected_components

import assets
import training
import transforms
from training.recipe_file import load_recipe

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("prefloop", "assets", "training", "transforms")
HEAVY = ("torch", "transformers", "trl", "vllm", "accelerate", "datasets")
USED_BY_FEW = ("scipy", "sklearn", "pandas", "matplotlib")
"""Slow imports of single assets and figures."""


def test_packages_are_this_checkout() -> None:
    for package in (assets, training, transforms):
        assert Path(package.__file__).is_relative_to(ROOT)


def test_layers_point_down() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


@pytest.mark.parametrize("module", ["assets.definitions", "training.recipe", "assets.cli.app"])
def test_light_modules_load_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, json, {module};"
        f" print(json.dumps([m for m in {HEAVY + USED_BY_FEW} if m in sys.modules]))"
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
        loaded.resolve_loop(experiment)


def circles(imports: Mapping[str, Collection[str]]) -> list[list[str]]:
    """Find the groups of modules that import each other, directly or through others."""
    number = {module: index for index, module in enumerate(imports)}
    arrows = [(number[one], number[other]) for one, found in imports.items() for other in found]
    matrix = scipy.sparse.coo_array(
        (np.ones(len(arrows)), np.array(arrows, dtype=int).reshape(-1, 2).T),
        shape=(len(number), len(number)),
    )
    _, groups = connected_components(matrix, directed=True, connection="strong")
    members: dict[int, list[str]] = {}
    for module, group in zip(imports, groups, strict=True):
        members.setdefault(group, []).append(module)
    return [modules for modules in members.values() if len(modules) > 1]


def test_no_module_imports_itself_through_others() -> None:
    """Imports for type checkers count, too: they show what a module has to know."""
    graph = grimp.build_graph(*PRODUCT, cache_dir=None)
    assert circles({m: graph.find_modules_directly_imported_by(m) for m in graph.modules}) == []


def test_circles_are_found() -> None:
    imports = {"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"], "e": []}
    assert circles(imports) == [["b", "c"]]


@pytest.mark.parametrize("package", PRODUCT)
def test_no_folder_has_more_than_16_modules(package: str) -> None:
    """A folder with more wants rooms of its own."""
    folders = {file.parent for file in (ROOT / package).rglob("*.py")}
    modules = {
        str(folder.relative_to(ROOT)): len(set(folder.glob("*.py")) - {folder / "__init__.py"})
        for folder in folders
    }
    assert {folder: count for folder, count in modules.items() if count > 16} == {}


def test_the_top_of_training_has_at_most_16_files() -> None:
    """`ls training` shows the stages, the recipe and nothing else."""
    assert len([path for path in (ROOT / "training").iterdir() if path.is_file()]) <= 16


def test_assets_hold_no_expressions_of_polars() -> None:
    """What is computed on a table is a function of `transforms`; the command line shows tables."""
    expression = re.compile(r"\bpl\.(col|lit|when|struct|element|format|len|concat_\w+)\(")
    files = set((ROOT / "assets").rglob("*.py")) - set((ROOT / "assets" / "cli").rglob("*.py"))
    assert [file.name for file in sorted(files) if expression.search(file.read_text())] == []


def test_no_package_init_below_tests() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))
