"""The size of a recipe's model: of a tiny one, of a folder, of the recipe, of a known id."""

import pytest
from transformers import LlamaConfig

from training.models.initial_model import make_tiny_model
from training.planning.model_size import describe_tiny, find_model_size, read_model_size
from training.recipe import Recipe
from transforms.errors import InputError


def use(recipe: Recipe, path: str, **plan: object) -> Recipe:
    """Return the recipe with a model of this path."""
    model = recipe.model.model_copy(update={"tiny": None, "path": path})
    planned = type(recipe.plan).model_validate(plan)
    return recipe.model_copy(update={"model": model, "plan": planned})


ARCHITECTURE = {
    "hidden_size": 64, "layers": 2, "heads": 2, "kv_heads": 1, "head_size": 32,
    "intermediate_size": 96, "vocab_size": 100,
}  # fmt: skip


def test_a_folder_and_the_settings_of_a_tiny_model_have_the_same_weights(tiny_recipe, tmp_path):
    tiny = tiny_recipe.model.tiny.model_copy(update={"vocab_size": 16})
    words = [[{"role": "user", "content": " ".join(f"w{n}" for n in range(99))}]]
    make_tiny_model(tiny, words, tmp_path, seed=0)
    counted = read_model_size(tmp_path / "config.json")
    assert counted.architecture == describe_tiny(tiny)
    assert counted.weights.value == describe_tiny(tiny).weights
    found = find_model_size(use(tiny_recipe, str(tmp_path)))
    assert (found.weights.value, found.weights.origin) == (counted.weights.value, "measured")


def test_a_tied_model_with_few_key_heads_is_counted_by_torch(tmp_path):
    LlamaConfig(
        hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=96, vocab_size=128, tie_word_embeddings=True,
    ).save_pretrained(tmp_path)  # fmt: skip
    found = read_model_size(tmp_path / "config.json")
    assert found.weights.value == found.architecture.weights
    assert (found.architecture.kv_heads, found.architecture.tied) == (2, True)


def test_a_known_id_needs_no_file(tiny_recipe):
    found = find_model_size(use(tiny_recipe, "meta-llama/Meta-Llama-3-8B"))
    assert (found.weights.value, found.weights.origin) == (8_030_261_248, "published")


def test_the_recipe_can_give_an_unknown_architecture(tiny_recipe):
    found = find_model_size(use(tiny_recipe, "org/model", architecture=ARCHITECTURE))
    assert (found.architecture.layers, found.weights.origin) == (2, "recipe")


def test_an_unknown_id_is_refused_with_the_way_to_give_its_numbers(tiny_recipe):
    with pytest.raises(InputError, match=r"plan\.architecture in the recipe: hidden_size, layers"):
        find_model_size(use(tiny_recipe, "org/model"))
