"""The recipe and the function of the guide about rewards are accepted."""

import re
from pathlib import Path

from training.recipe_file import load_recipe
from transforms.prompts.instructions.registry import KINDS

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "guide" / "rewards.md").read_text(encoding="utf-8")


def test_the_recipe_is_accepted_with_the_function_beside_it(tmp_path):
    recipe, *_ = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.S)
    (tmp_path / "rewards.py").write_text(code, encoding="utf-8")
    based = recipe.replace("base: ", f"base: {ROOT}/recipes/")
    (tmp_path / "maths.yaml").write_text(based, encoding="utf-8")
    loaded = load_recipe(tmp_path / "maths.yaml")
    assert loaded.resolve_loop("paper").ranker == "both"
    assert loaded.rewards["brief"].read_function().columns == ("responses",)
    assert len(recipe.splitlines()) <= 13


def test_the_ensembles_are_accepted(tmp_path):
    _, keys, _ = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
    based = f"base: {ROOT}/recipes/gemma_2b.yaml\nname: ensembles\n{keys}"
    (tmp_path / "ensembles.yaml").write_text(based, encoding="utf-8")
    rankers = load_recipe(tmp_path / "ensembles.yaml").resolve_rankers()
    assert rankers["ensemble"].members == ("reward_model", "reward_model_b", "reward_model_c")
    assert rankers["ensemble_mean"].spread_weight == 0


def test_the_further_rewards_are_accepted(tmp_path):
    *_, keys = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)
    based = f"base: {ROOT}/recipes/gemma_2b.yaml\nname: judged\n{keys}"
    (tmp_path / "judged.yaml").write_text(based, encoding="utf-8")
    instructions = "sources.prompt_collection.instructions=2"
    loaded = load_recipe(tmp_path / "judged.yaml", (instructions,))
    assert loaded.evaluation.rewards == ("reward_model_second_half", "followed")
    assert loaded.resolve_trained_rankers()["reward_model_second_half"].mixture == "second_half"


def test_the_number_of_kinds_is_right():
    assert "There are seventeen kinds" in GUIDE
    assert len(KINDS) == 17
