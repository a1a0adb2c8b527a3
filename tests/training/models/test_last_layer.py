"""The shortened last layer against the whole model, for each family that it is for."""

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from training.models.last_layer import (
    FAMILIES,
    LastTokenLayer,
    compute_last_states,
    shorten_last_layer,
)

LENGTHS = torch.tensor([17, 4, 1, 10])
SHAPE = {
    "vocab_size": 64,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 64,
    "num_labels": 1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "sliding_window": 5,
}


def decoder(family: str, **settings) -> torch.nn.Module:
    config = AutoConfig.for_model(family, **SHAPE)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config, **settings).eval()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    return model.base_model


def token_ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randint(3, 64, (len(LENGTHS), int(LENGTHS.max())), generator=generator)
    return rows.where(torch.arange(rows.shape[1]) < LENGTHS[:, None], 0)


@torch.inference_mode()
def whole(model: torch.nn.Module) -> torch.Tensor:
    hidden = model(input_ids=token_ids(), use_cache=False).last_hidden_state
    return hidden[torch.arange(len(LENGTHS)), LENGTHS - 1]


@torch.inference_mode()
def shortened(model: torch.nn.Module) -> torch.Tensor:
    shorten_last_layer(model)
    return compute_last_states(model, token_ids(), LENGTHS - 1)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_last_states_are_those_of_the_whole_model(family, attention):
    model = decoder(family, attn_implementation=attention)
    expected = whole(model)
    found = shortened(model)
    assert isinstance(model.layers[-1], LastTokenLayer)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-5


def test_bfloat16_differs_by_its_rounding():
    model = decoder("llama", dtype=torch.bfloat16)
    expected = whole(model).float()
    assert (shortened(model).float() - expected).abs().max() < 0.05


def test_the_last_layer_is_computed_for_one_token_a_row():
    model = decoder("llama")
    shapes = []
    model.layers[-1].mlp.register_forward_hook(lambda _, __, out: shapes.append(out.shape))
    shortened(model)
    assert shapes == [(len(LENGTHS), 1, SHAPE["hidden_size"])]


def test_another_family_runs_whole():
    model = decoder("gpt2")
    assert torch.equal(shortened(model), whole(model))
