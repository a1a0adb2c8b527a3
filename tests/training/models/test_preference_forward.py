"""A preference model of random weights: what matters is that places, batches and padding do not."""

import math
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from training.models.comparison_prompts import (
    add_unknown_words,
    find_label_tokens,
    tokenize_comparisons,
)
from training.models.preference_forward import (
    compare_responses,
    load_preference_model,
    split_by_length,
)
from training.models.rendering import load_tokenizer
from transforms.errors import InputError

WORDS = ["red", "blue", "green", "grey", "cat", "dog", "tree", "the", "is", "a", "name", "."]


@pytest.fixture(scope="module")
def preference_folder(tmp_path_factory, tiny_policy):
    """The tiny policy with the words of the format."""
    folder = tmp_path_factory.mktemp("comparing") / "preference_model"
    tokenizer = load_tokenizer(tiny_policy)
    add_unknown_words(tokenizer)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(tiny_policy)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def preference_model(preference_folder):
    return load_preference_model(preference_folder, "float32")


@pytest.fixture(scope="module")
def comparisons():
    """Twelve comparisons of many lengths."""
    return [
        (
            [{"role": "user", "content": " ".join(WORDS[: 1 + i % 5])}],
            " ".join(WORDS[i % 4 : i % 4 + 1 + i % 7]),
            " ".join(WORDS[i % 3 : i % 3 + 2 + i % 5]),
        )
        for i in range(12)
    ]


def chances(model, comparisons, batch_tokens=8192):
    names = [f"p{i}" for i in range(len(comparisons))]
    return compare_responses(model, comparisons, names, batch_tokens=batch_tokens).probabilities


def test_probabilities_are_those_of_the_whole_model(
    preference_folder, preference_model, comparisons
):
    tokenizer = load_tokenizer(preference_folder)
    model = AutoModelForCausalLM.from_pretrained(preference_folder)
    a, b = find_label_tokens(tokenizer)

    def chance_of_a(prompt, first, second):
        (ids,) = tokenize_comparisons(tokenizer, [(prompt, first, second)])
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
        return (logits[a] - logits[b]).sigmoid().item()

    found = chances(preference_model, comparisons)
    assert len({round(chance, 6) for chance in found}) > 6
    for (prompt, first, second), chance in zip(comparisons, found, strict=True):
        one, other = chance_of_a(prompt, first, second), chance_of_a(prompt, second, first)
        assert chance == pytest.approx((one + 1 - other) / 2, abs=1e-6)


def test_both_directions_add_to_one_exactly(preference_model, comparisons):
    turned = [(prompt, second, first) for prompt, first, second in comparisons]
    there, back = chances(preference_model, comparisons), chances(preference_model, turned)
    assert [p + q for p, q in zip(there, back, strict=True)] == [1.0] * len(comparisons)
    together = chances(preference_model, comparisons + turned)
    both = zip(together[: len(comparisons)], together[len(comparisons) :], strict=True)
    assert [p + q for p, q in both] == pytest.approx([1.0] * len(comparisons), abs=1e-6)


TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, TEXTS)
def test_the_directions_of_any_two_texts_add_to_one(preference_model, asked, first, second):
    prompt = [{"role": "user", "content": asked}]
    (there,) = chances(preference_model, [(prompt, first, second)])
    (back,) = chances(preference_model, [(prompt, second, first)])
    assert there + back == 1.0
    assert 0 <= there <= 1


@pytest.mark.parametrize("rows", [1, 2, 3, 8])
def test_batch_size_changes_no_probability(preference_model, comparisons, rows):
    longest = max(len(ids) for ids in tokenize_comparisons(preference_model.tokenizer, comparisons))
    batched = chances(preference_model, comparisons, batch_tokens=rows * longest)
    alone = [chances(preference_model, [comparison])[0] for comparison in comparisons]
    assert batched == pytest.approx(alone, abs=1e-6)


def test_identical_responses_are_even(preference_model):
    prompt = [{"role": "user", "content": "cat"}]
    same = [(prompt, text, text) for text in ("red", "the dog is red", "")]
    assert chances(preference_model, same) == [0.5] * 3


def test_no_comparisons(preference_model):
    assert chances(preference_model, []) == []


def test_the_head_is_float32_over_a_bfloat16_body(preference_folder, preference_model, comparisons):
    coarse = chances(load_preference_model(preference_folder, "bfloat16"), comparisons)
    assert coarse == pytest.approx(chances(preference_model, comparisons), abs=0.05)
    exact = torch.tensor(coarse, dtype=torch.float64)
    assert (exact.bfloat16().double() != exact).all()


def test_a_comparison_longer_than_the_context_is_named(preference_model, comparisons):
    long = ([{"role": "user", "content": "cat"}], "red " * 40, "blue " * 40)
    with pytest.raises(InputError, match="too long for the model's context: prompt p12"):
        chances(preference_model, [*comparisons, long])


def test_a_probability_that_is_no_number_is_refused(preference_folder, comparisons, tmp_path):
    broken = shutil.copytree(preference_folder, tmp_path / "broken")
    model = AutoModelForCausalLM.from_pretrained(broken)
    model.lm_head.weight.data.fill_(math.nan)
    model.save_pretrained(broken)
    with pytest.raises(InputError, match="preference of prompt p0 is not finite"):
        chances(load_preference_model(broken, "float32"), comparisons)


def test_a_model_that_knows_no_labels_is_refused(tiny_policy):
    with pytest.raises(InputError, match="does not write A and B"):
        load_preference_model(tiny_policy, "float32")


def test_pairs_too_long_to_read_are_named(preference_folder, preference_pairs):
    tokenizer = load_tokenizer(preference_folder)
    row = preference_pairs.row(0, named=True)
    texts = [row[side][0]["content"] for side in ("chosen", "rejected")]
    (ids,) = tokenize_comparisons(tokenizer, [(row["prompt"], *texts)])
    kept, dropped = split_by_length(preference_pairs, preference_folder, len(ids) + 1)
    assert kept.equals(preference_pairs)
    kept, dropped = split_by_length(preference_pairs, preference_folder, len(ids))
    assert kept.is_empty()
    assert dropped.row(0) == ("pair-0", "too_long", f"{len(ids) + 1} tokens, at most {len(ids)}")
