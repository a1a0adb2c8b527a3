"""Adapters: what is trained, what is saved, and that the rest stays as it was."""

import json
import math
from functools import partial

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from transformers import Qwen3Config, Qwen3ForCausalLM, set_seed

from training.models.checkpoint import ADAPTER, hash_checkpoint, require_model
from training.models.loading.weights import load_causal_model, load_classifier
from training.models.rendering import load_tokenizer
from training.runs.adapters import load_model
from training.runs.kept_checkpoints import locate_kept_folder
from training.settings.stages import SFTSettings
from training.settings.training import LoRASettings
from training.sft import train_sft

SHARED = {
    "learning_rate": 1e-2,
    "schedule": "constant",
    "max_steps": 12,
    "batch_size": 8,
    "micro_batch_size": 8,
    "max_tokens": 64,
    "logging_steps": 4,
    "checkpoint_steps": 4,
}
LORA = LoRASettings(rank=4, alpha=12)
SCALE = 3.0
STAGES = ("sft", "reward_model", "preference_model", "dpo", "kto", "raft", "rloo")
SLOW = [pytest.param(stage, marks=pytest.mark.slow) for stage in STAGES]


def values(run, metric):
    return run.metrics.filter(pl.col("metric") == metric).sort("step")["value"].to_list()


def read_weights(folder):
    return load_file(folder / "model.safetensors")


def merge_by_hand(start, adapter):
    """W + alpha / rank B A, in float64, from the two files."""
    merged = {name: weight.double() for name, weight in start.items()}
    for name, a in adapter.items():
        if name.endswith("lora_A.weight"):
            b = adapter[name.replace("lora_A", "lora_B")].double()
            key = name.removeprefix("base_model.model.").replace("lora_A.", "")
            merged[key] = merged[key] + SCALE * b @ a.double()
        elif "lora_" not in name:
            merged[name.removeprefix("base_model.model.")] = adapter[name].double()
    return merged


@pytest.mark.parametrize("stage", SLOW)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_is_trained_and_merged(prepare_stage, tiny_policy, tmp_path, stage, dtype):
    run = prepare_stage(stage, **SHARED, lora=LORA, dtype=dtype)
    result = run(tmp_path / "lora")
    require_model(tmp_path / "lora")
    adapter = load_file(tmp_path / "lora" / ADAPTER / "adapter_model.safetensors")
    saved = read_weights(tmp_path / "lora")
    expected = merge_by_hand(read_weights(tiny_policy), adapter)
    changed = [name for name in adapter if "lora_B" in name and adapter[name].abs().max() > 0]
    assert len(changed) == 7  # q, k, v, o and the three of the feed-forward block
    assert {weight.dtype for weight in [*saved.values(), *adapter.values()]} == {torch.float32}
    if stage == "preference_model":
        assert saved.keys() == expected.keys()
        for name in ("model.embed_tokens.weight", "lm_head.weight"):  # words were added
            rows = expected[name].shape[0]
            saved[name] = saved[name][:rows]
    if stage == "reward_model":
        assert "lm_head.weight" not in saved
        assert "score.weight" in saved
        assert "base_model.model.score.weight" in adapter
        del expected["lm_head.weight"]
        head = load_classifier(tmp_path / "lora", "float32").score.weight
        set_seed(0)
        new = load_classifier(tiny_policy, "float32", new_head=True).score.weight
        assert (head - new).abs().max() > 1e-3
    else:
        load_causal_model(tmp_path / "lora", "float32")
    assert saved.keys() == expected.keys()
    for name, weight in saved.items():
        torch.testing.assert_close(weight.double(), expected[name], atol=1e-6, rtol=0)
    if stage != "rloo":
        losses = values(result, "loss")
        assert losses[-1] < losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["sft", "reward_model"])
def test_a_folder_is_like_one_without_an_adapter(prepare_stage, tmp_path, stage):
    for name, lora in {"whole": None, "lora": LORA}.items():
        prepare_stage(stage, **SHARED, lora=lora)(tmp_path / name)
    whole, lora = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir() if file.is_file()}
        for name in ("whole", "lora")
    )
    assert whole.keys() == lora.keys()
    changed = {name for name in whole if whole[name] != lora[name]}
    made = {"model.safetensors", "metrics.jsonl", "run.json", "settings.json"}
    assert changed == made | {"config.json"}
    configs = [json.loads(files["config.json"]) for files in (whole, lora)]
    # without an adapter, transformers saves that the training used no cache
    assert configs[0] | {"use_cache": True} == configs[1]


def test_frozen_weights_compute_what_float32_computes_under_autocast(tiny_policy):
    """So the reference's stored log-probabilities are also those of an untrained adapter."""
    load, logits = partial(load_causal_model, tiny_policy), []
    for lora in (None, LORA):
        model = load_model(load, SFTSettings(lora=lora, learning_rate=1e-4), "bfloat16")
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            logits.append(model(torch.arange(19)[None]).logits)
    assert model.model.layers[0].self_attn.q_proj.weight.dtype == torch.bfloat16
    assert torch.equal(*logits)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_an_untrained_adapter_is_the_reference(prepare_stage, tiny_policy, tmp_path, dtype):
    settings = SHARED | {"max_steps": 1, "logging_steps": 1, "lora": LORA}
    run = prepare_stage("dpo", reference=tiny_policy, **settings, dtype=dtype)
    result = run(tmp_path / "dpo")
    assert values(result, "loss")[0] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.slow
def test_rloo_is_against_the_policy_without_its_adapter(prepare_stage, tiny_policy, tmp_path):
    run = prepare_stage("rloo", reference=tiny_policy, **SHARED | {"logging_steps": 1}, lora=LORA)
    kl = values(run(tmp_path / "rloo"), "kl")
    assert kl[0] == pytest.approx(0.0, abs=1e-6)
    assert max(kl) > 1e-3


@pytest.mark.slow
def test_rloo_is_against_another_reference_if_one_is_named(prepare_stage, tmp_path):
    run = prepare_stage("rloo", **SHARED | {"max_steps": 1, "logging_steps": 1}, lora=LORA)
    assert values(run(tmp_path / "rloo"), "kl")[0] > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_training_of_an_adapter_goes_on(prepare_stage, tmp_path, stage):
    run = prepare_stage(stage, **SHARED, lora=LORA)
    run(tmp_path / "a")

    def killed(step, *_):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", report=killed)
    step = next((tmp_path / ".b.steps").glob("checkpoint-*"))
    assert (step / "adapter_model.safetensors").is_file()
    assert not (step / "model.safetensors").exists()
    run(tmp_path / "b")
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["reward_model", "preference_model", "dpo"])
def test_a_kept_step_is_merged_and_changes_nothing(prepare_stage, tmp_path, stage):
    prepare_stage(stage, **SHARED, lora=LORA)(tmp_path / "plain")
    prepare_stage(stage, **SHARED, lora=LORA, kept_shares=(0.5,))(tmp_path / "kept")
    kept = locate_kept_folder(tmp_path / "kept", 0.5)
    require_model(kept)
    assert hash_checkpoint(tmp_path / "kept") == hash_checkpoint(tmp_path / "plain")
    assert hash_checkpoint(kept) != hash_checkpoint(tmp_path / "kept")
    assert json.loads((kept / ADAPTER / "adapter_config.json").read_text())["r"] == 4


@pytest.fixture
def bitsandbytes():
    """Skip a test if the package is missing: it is not in the environment of the tests."""
    return pytest.importorskip("bitsandbytes")


@pytest.mark.slow
@pytest.mark.usefixtures("bitsandbytes")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("stage", STAGES)
def test_four_bits_are_trained_beside_and_not_saved(
    prepare_stage, tiny_policy, tmp_path, stage, dtype
):
    run = prepare_stage(stage, **SHARED, lora=LORA, load_in_4bit=True, dtype=dtype)
    run(tmp_path / "a")

    def killed(step, *_):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", report=killed)
    run(tmp_path / "b")
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")
    adapter = load_file(tmp_path / "a" / ADAPTER / "adapter_model.safetensors")
    assert {weight.dtype for weight in adapter.values()} == {torch.float32}
    assert "quantization_config" not in json.loads((tmp_path / "a" / "config.json").read_text())
    saved = read_weights(tmp_path / "a")
    expected = merge_by_hand(read_weights(tiny_policy), adapter)
    name = "model.layers.0.self_attn.q_proj.weight"
    torch.testing.assert_close(saved[name].double(), expected[name], atol=1e-6, rtol=0)
    assert (saved[name] - read_weights(tiny_policy)[name]).abs().max() > 1e-4


@pytest.mark.slow
def test_the_reference_has_the_same_four_bits(
    prepare_stage, tiny_policy, tmp_path, bitsandbytes, monkeypatch
):
    # without a gradient, bitsandbytes would compute in bfloat16 on some processors
    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: False)
    settings = SHARED | {"max_steps": 1, "logging_steps": 1, "lora": LORA, "load_in_4bit": True}
    result = prepare_stage("dpo", reference=tiny_policy, **settings)(tmp_path / "dpo")
    assert values(result, "loss")[0] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("bitsandbytes")
@pytest.mark.parametrize("optimizer", ["adamw_8bit", "paged_adamw_8bit"])
def test_moments_of_eight_bits_are_found_again(prepare_stage, tmp_path, optimizer):
    run = prepare_stage("sft", **SHARED, optimizer=optimizer)
    losses = values(run(tmp_path / "a"), "loss")
    assert losses[-1] < losses[0]

    def killed(step, *_):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "b", report=killed)
    run(tmp_path / "b")
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")
    prepare_stage("sft", **SHARED)(tmp_path / "c")
    assert hash_checkpoint(tmp_path / "a") != hash_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_attention_reaches_the_model(tiny_policy, attention):
    settings = SFTSettings(attn_implementation=attention)
    model = load_model(partial(load_causal_model, tiny_policy), settings, "float32")
    assert model.config._attn_implementation == attention


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "lora"), [("sft", None), ("dpo", LORA), ("reward_model", LORA), ("rloo", LORA)]
)
def test_a_compiled_model_is_trained_to_the_same_weights(prepare_stage, tmp_path, stage, lora):
    settings = SHARED | {"max_steps": 2, "logging_steps": 1, "lora": lora}
    run = prepare_stage(stage, **settings)
    run(tmp_path / "plain")
    run.keywords["settings"] = run.keywords["settings"].model_copy(update={"torch_compile": True})
    run(tmp_path / "compiled")
    plain, compiled = (read_weights(tmp_path / name) for name in ("plain", "compiled"))
    assert plain.keys() == compiled.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(weight, compiled[name], atol=1e-3, rtol=0)


@pytest.mark.slow
def test_tied_embeddings_stay_tied(tiny_policy, demonstrations, tmp_path):
    """Qwen3 has one matrix for embeddings and head; it is frozen and saved once."""
    tokenizer = load_tokenizer(tiny_policy)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    set_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(tmp_path / "start")
    tokenizer.save_pretrained(tmp_path / "start")
    settings = SFTSettings(**SHARED, lora=LORA, gradient_checkpointing=True)
    train_sft(
        demonstrations, tmp_path / "start", tmp_path / "sft", settings, seed=0, dtype="float32"
    )
    saved, start = read_weights(tmp_path / "sft"), read_weights(tmp_path / "start")
    assert saved.keys() == start.keys()
    assert "lm_head.weight" not in saved
    name = "model.embed_tokens.weight"
    assert torch.equal(saved[name], start[name])
    changed = {name for name in saved if not torch.equal(saved[name], start[name])}
    assert len(changed) == 2 * 7
    load_causal_model(tmp_path / "sft", "float32")
