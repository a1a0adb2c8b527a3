"""Packed rows and their batches, and what models without gradients compute from them."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from training.models.last_layer import shorten_last_layer
from training.models.logps import sum_logps
from training.models.one_pass.families import prepare_one_pass
from training.models.one_pass.packed_rows import Group, batch_groups, pack
from training.models.one_pass.tested_families import FAMILIES
from training.models.rewards import compute_rewards

CPU = torch.device("cpu")
SHAPE = {
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "sliding_window": 5,
}
PROMPTS = [[1, 5, 6, 7, 8, 9], [1, 5], [3]]
ROWS = [
    (0, [10, 11, 12, 2]),
    (1, [10, 2]),
    (0, [10, 13, 14, 15, 16, 17, 18, 2]),
    (2, [2]),
    (0, [10, 11, 12, 2]),
    (1, [2, 0]),  # the last token is the pad token
]
TOKENS = [PROMPTS[prompt] + response for prompt, response in ROWS]
KEYS = [prompt for prompt, _ in ROWS]
STARTS = [len(PROMPTS[prompt]) for prompt in KEYS]

rows = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=8)


def make(family, architecture, **changed):
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SHAPE, **changed)
    model = architecture.from_config(config, attn_implementation="sdpa").eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    return model


def test_a_packed_row_has_shared_tokens_once():
    packed = pack([[[1, 5, 6], [1, 5, 7, 8]], [[9]], [[4, 4], [4, 4]]], CPU)
    assert packed.token_ids.tolist() == [[1, 5, 6, 7, 8, 9, 4, 4, 4]]
    assert packed.position_ids.tolist() == [[0, 1, 2, 2, 3, 0, 0, 1, 1]]
    assert packed.groups == (Group(2, (1, 2)), Group(0, (1,)), Group(1, (1, 1)))
    assert packed.places.tolist() == [
        [0, 1, 2, 0], [0, 1, 3, 4], [5, 0, 0, 0], [6, 7, 0, 0], [6, 8, 0, 0]
    ]  # fmt: skip


@settings(max_examples=30)
@given(rows, st.data())
def test_packed_rows_are_the_rows(rows, data):
    cuts = data.draw(st.lists(st.integers(1, len(rows)), max_size=3))
    edges = sorted({0, *cuts, len(rows)})
    groups = [rows[start:end] for start, end in pairwise(edges)]
    packed = pack(groups, CPU)
    whole = packed.split(packed.token_ids, 1)
    assert [row[0].tolist() for row in whole] == rows
    assert packed.count_tokens() == [len(row) for row in rows]
    new = zip(whole, packed.count_new_tokens(), strict=True)
    assert torch.equal(torch.cat([row[:, -count:] for row, count in new], 1), packed.token_ids)
    for row, places in zip(rows, packed.places, strict=True):
        assert packed.token_ids[0, places[: len(row)]].tolist() == row
        assert packed.position_ids[0, places[: len(row)]].tolist() == [*range(len(row))]


@settings(max_examples=30)
@given(rows, st.lists(st.integers(0, 2), min_size=8, max_size=8), st.integers(1, 20))
def test_batches_have_every_row_once_and_fit(rows, prompts, batch_tokens):
    prompts = prompts[: len(rows)]
    batches = list(batch_groups(rows, prompts, batch_tokens))
    groups = [group for batch in batches for group in batch]
    assert sorted(row for group in groups for row in group) == [*range(len(rows))]
    for group in groups:
        assert len({prompts[row] for row in group}) == 1
    for batch in batches:
        packed = pack([[rows[row] for row in group] for group in batch], CPU)
        alone = len(batch) == len(batch[0]) == 1
        assert packed.token_ids.shape[1] <= batch_tokens or alone


@pytest.mark.parametrize("batch_tokens", [7, 1000])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_summed_log_probabilities_are_those_of_whole_rows(family, batch_tokens):
    model = make(family, AutoModelForCausalLM)
    expected = dict(sum_logps(model, TOKENS, STARTS, 1))
    assert prepare_one_pass(model)
    found = dict(sum_logps(model, TOKENS, STARTS, batch_tokens))
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shortened", [False, True])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rewards_are_those_of_whole_rows(family, shortened):
    model = make(family, AutoModelForSequenceClassification, num_labels=1)
    expected = compute_rewards(model, TOKENS, 1, KEYS)
    assert torch.tensor(expected).std() > 0.01
    if shortened:
        shorten_last_layer(model.base_model)
    assert prepare_one_pass(model)
    for batch_tokens in (7, 1000):
        found = compute_rewards(model, TOKENS, batch_tokens, KEYS)
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)
