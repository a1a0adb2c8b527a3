"""A small part of `bench/fuzz/recipes.py`."""

import random

import pytest
import yaml

from bench.fuzz.recipes import RECIPES, mutate_settings, mutate_text, try_recipe

QUICKSTART = (RECIPES / "quickstart.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("seed", range(4))
def test_a_mutated_recipe_is_parsed_or_refused(seed, tmp_path):
    for number in range(10):
        dice = random.Random(f"test {seed}/{number}")
        for content in (
            mutate_text(QUICKSTART, dice),
            mutate_settings(yaml.safe_load(QUICKSTART), dice),
        ):
            assert try_recipe(content, tmp_path) in ("parsed", "refused"), content
