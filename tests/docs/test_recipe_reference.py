"""The reference of a recipe's keys and the schema for editors follow the settings."""

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from training.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs" / "recipe_reference.py"))


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads((ROOT / "recipes" / "recipe.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize(("file", "write"), [("PAGE", "write_page"), ("SCHEMA", "write_schema")])
def test_what_is_written_is_up_to_date(reference, file, write) -> None:
    written = reference[file].read_text(encoding="utf-8")
    assert written == reference[write](), "run `make docs`"


def test_every_key_has_a_text(reference) -> None:
    for group in reference["_list_paths"]():
        for key, field in group.model_fields.items():
            assert field.description, f"{group.__name__}.{key}"


def test_every_link_leads_to_a_heading(reference) -> None:
    page = reference["write_page"]()
    headings = {line[3:] for line in page.splitlines() if line.startswith("## ")}
    fragments = {reference["_link"]("", heading) for heading in headings}
    links = {f"[]({part.split(')')[0]})" for part in page.split("](")[1:] if part.startswith("#")}
    assert links
    assert links <= fragments
    assert len(headings) == len([line for line in page.splitlines() if line.startswith("## ")])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_names_the_schema_and_fits_it(validator, recipe) -> None:
    text = recipe.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    assert not list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("{base: quickstart.yaml, experiments: {raft_concise: null, x: {dpo: {beta: 0.2}}}}", True),
        ("{benchmarks: {gsm8k: {limit: 5}}}", True),
        ("{lop: {}}", False),
        ("{loop: {dpo: {betta: 1}}}", False),
        ("{loop: {dpo: {beta: -1}}}", False),
        ("{experiments: {x: {dpo: {betta: 1}}}}", False),
        ("{reward_models: {x: {epoch: 1}}}", False),
    ],
)
def test_the_schema_knows_keys_and_bounds(validator, text, sound) -> None:
    assert validator.is_valid(yaml.safe_load(text)) is sound


def test_the_overrides_of_the_schema_are_fields(reference) -> None:
    names = {group.__name__: group for group in reference["_list_paths"]()}
    for group, key in reference["OVERRIDES"]:
        assert key in names[group].model_fields
    assert set(reference["OVERRIDES"].values()) <= set(names)
    assert Recipe in names.values()
