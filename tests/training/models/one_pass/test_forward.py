"""One pass over packed rows against the model's own forward pass over padded rows."""

import copy

import pytest
import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.utils import add_fused_lm_head

from training.models.one_pass import families
from training.models.one_pass.families import prepare_one_pass
from training.models.one_pass.forward import pack_classifier, pack_language_model
from training.models.one_pass.tested_families import FAMILIES
from training.settings.objectives import DPOSettings

SHAPE = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "sliding_window": 5,
}
OUTPUTS = ("log_probs", "entropy", "mean_logits", "is_top1")
PAIRS = [
    ([1, 5, 6, 7, 8, 9], [10, 11, 12, 2], [10, 11, 13, 14, 15, 16, 2]),  # begin alike
    ([1, 5], [7, 8, 9, 2], [7, 8, 9, 2]),  # equal
    ([], [5, 6, 2], [6, 2]),  # no prompt
    ([1, 20, 21], [2], [30, 31, 2]),  # one token
    ([1, *range(20, 40)], [2], [3]),  # a long prompt, one token on both sides
]


def make(family, architecture=AutoModelForCausalLM, **settings):
    config = AutoConfig.for_model(family, **SHAPE, **settings)
    torch.manual_seed(0)
    model = architecture.from_config(config, attn_implementation="sdpa").train()
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    return model


def collate(pairs=PAIRS):
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    batch = DataCollatorForPreference(0)([dict(zip(names, pair, strict=True)) for pair in pairs])
    mask = batch.pop("completion_mask")
    return batch | {"labels": batch["input_ids"].masked_fill(mask == 0, -100)}


def prepare(model):
    """The model with TRL's head, and a copy of it that reads packed rows."""
    models = [model, copy.deepcopy(model)]
    for one in models:
        add_fused_lm_head(one, outputs=OUTPUTS)
    assert prepare_one_pass(models[1])
    pack_language_model(models[1], sides=2, outputs=OUTPUTS)
    return models


def relative(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def differentiate(model, values):
    """Gradients of a weighted sum, so that sequences count differently."""
    model.zero_grad()
    (values * torch.linspace(-1, 2, len(values))).sum().backward()
    return torch.cat([weights.grad.flatten() for weights in model.parameters()])


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_log_probabilities_and_gradients_are_those_of_padded_rows(family):
    plain, packed = prepare(make(family))
    expected, found = (
        model(**collate(), use_cache=False, fused_lm_head=True) for model in (plain, packed)
    )
    for name in OUTPUTS:
        assert torch.allclose(found[name].float(), expected[name].float(), rtol=1e-5, atol=1e-5)
    sums = [outputs.log_probs.sum(1) for outputs in (expected, found)]
    assert relative(sums[1], sums[0]) < 1e-5
    assert relative(differentiate(packed, sums[1]), differentiate(plain, sums[0])) < 1e-5


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_rewards_and_gradients_are_those_of_padded_rows(family):
    plain = make(family, AutoModelForSequenceClassification, num_labels=1)
    packed = copy.deepcopy(plain)
    assert prepare_one_pass(packed)
    pack_classifier(packed, sides=2)
    batch = collate()
    del batch["labels"]
    expected, found = (model(**batch, use_cache=False).logits[:, 0] for model in (plain, packed))
    assert expected.std() > 0.05
    assert relative(found, expected) < 1e-5
    assert relative(differentiate(packed, found), differentiate(plain, expected)) < 1e-5


def test_an_adapter_of_a_reward_model_passes_its_arguments_on():
    plain = make("llama", AutoModelForSequenceClassification, num_labels=1)
    packed = copy.deepcopy(plain)
    assert prepare_one_pass(packed)
    pack_classifier(packed, sides=2)
    batch, found = collate(), []
    del batch["labels"]
    for model in (plain, packed):
        torch.manual_seed(0)
        adapter = LoraConfig(
            target_modules="all-linear", init_lora_weights=False, task_type=TaskType.SEQ_CLS
        )
        found.append(get_peft_model(model, adapter)(**batch).logits[:, 0])
    assert relative(found[1], found[0]) < 1e-5
    with pytest.raises(TypeError, match="output_attentions"):
        packed(**batch, output_attentions=True)


def test_untested_models_run_as_before_and_say_so(monkeypatch):
    said = []
    # not caplog: libraries that other tests load change the levels of loggers
    monkeypatch.setattr(families.LOGGER, "warning", lambda text, *args: said.append(text % args))
    for model, settings, obstacle in (
        (make("gpt2"), None, "not tested for models of type gpt2"),
        (make("llama"), DPOSettings(torch_compile=True), "torch_compile"),
        (make("llama"), DPOSettings(attn_implementation="sdpa"), "attn_implementation is set"),
    ):
        assert not prepare_one_pass(model, settings)
        assert obstacle in said.pop()
        assert model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("lora", [False, True])
def test_adapters_and_gradient_checkpointing_are_kept(checkpointing, lora):
    """The gradients of what is trained, under autocast in bfloat16 and without it."""
    found = []
    for one in prepare(make("llama")):
        if checkpointing:
            one.gradient_checkpointing_enable()
        if lora:
            torch.manual_seed(0)
            adapter = LoraConfig(
                target_modules="all-linear", init_lora_weights=False, task_type=TaskType.CAUSAL_LM
            )
            one = get_peft_model(one, adapter)
        sums = one(**collate(), use_cache=False, fused_lm_head=True).log_probs.sum(1)
        sums.sum().backward()
        grads = [weights.grad.flatten() for weights in one.parameters() if weights.requires_grad]
        found.append((sums, torch.cat(grads)))
    assert relative(found[1][0], found[0][0]) < 1e-5
    assert relative(found[1][1], found[0][1]) < 1e-5


def test_bfloat16_differs_by_its_rounding():
    plain, packed = prepare(make("llama"))
    arguments = collate() | {"use_cache": False, "fused_lm_head": True}
    exact = plain(**arguments).log_probs.sum(1)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = [model(**arguments).log_probs.sum(1) for model in (plain, packed)]
    assert rounded[1].dtype == torch.float32
    errors = [relative(one, exact) for one in rounded]
    assert 0 < errors[1] < 2 * errors[0] < 0.1


def test_logits_are_not_computed_whole():
    _, model = prepare(make("llama"))
    seen = []
    model.lm_head.register_forward_hook(lambda *_: seen.append("lm_head"))
    batch = collate()
    lengths = batch["attention_mask"].sum(1)
    tokens = []
    model.model.layers[0].mlp.register_forward_hook(lambda _, __, out: tokens.append(out.shape[1]))
    model(**batch, use_cache=False, fused_lm_head=True)
    shared = [8, 5, 0, 2, 22]  # the prompts, and the tokens that both responses begin with
    assert tokens == [int(lengths.sum()) - sum(shared)]
    assert seen == []
