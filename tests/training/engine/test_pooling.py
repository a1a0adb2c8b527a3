"""Rewards by vLLM's pooling runner are those of the plain forward pass; tiny models, a real engine.

Largest differences measured on a CPU, where these rewards have a standard deviation of 0.3: 1e-7 in
float32. In bfloat16, which rounds to 3 digits, both ways differ from float32.
"""

import json
import math
from contextlib import closing
from pathlib import Path

import polars as pl
import psutil
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig

from training.engine.pooling import COMPARED, PoolingEngine, find_limit, require_readable
from training.models.initial_model import make_tiny_model
from training.models.rendering import load_tokenizer
from training.models.rewards import ForwardEngine, load_reward_model
from training.models.unscorable import Limit
from training.scoring import ENGINES, score
from training.settings.model import DeviceSettings, TinyModelSettings
from training.settings.scoring import ScoringSettings
from transforms.errors import InputError

TALK = "red blue green cat dog owl runs sleeps eats the a of and then"
WORDS = TALK.split()
TINY = TinyModelSettings(
    vocab_size=64, hidden_size=64, intermediate_size=128, layers=2, heads=2, context_tokens=512
)
VLLM = ScoringSettings(engine="vllm", batch_tokens=256, chunk_rows=10)
"""Prompts of 300 words need two forward passes, and several blocks of the cache."""
KEYS = ["prompt_id", "response_index"]


def save_classifier(folder: Path, source: Path, **changes: object) -> Path:
    """Make a reward model with random weights from the tokenizer and config of another model."""
    torch.manual_seed(0)
    config = AutoConfig.from_pretrained(source, num_labels=1, **changes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    load_tokenizer(source, pads=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pooling") / "policy"
    make_tiny_model(TINY, [[{"role": "user", "content": TALK}]], folder, seed=0)
    return folder


@pytest.fixture(scope="module")
def reward_model(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("pooling") / "reward_model", policy)


@pytest.fixture(scope="module")
def responses() -> pl.DataFrame:
    """Five responses to each of six prompts, of 2 to 300 words; one response is empty."""
    return pl.DataFrame(
        {
            "prompt_id": [f"p{i // 5}" for i in range(30)],
            "response_index": pl.Series([i % 5 for i in range(30)], dtype=pl.Int32),
            "prompt": [
                [{"role": "user", "content": " ".join((WORDS * 22)[: 2 + 60 * (i // 5)])}]
                for i in range(30)
            ],
            "response": [" ".join((WORDS * 12)[i : 2 * i + i % 5 * 20]) for i in range(30)],
        }
    )


def rewards_of(rows, folder, settings, *, dtype="float32", **options) -> pl.DataFrame:
    chunks: list[pl.DataFrame] = []
    score(rows, folder, settings, dtype=dtype, commit=chunks.append, **options)
    return pl.concat(chunks).sort(KEYS)


def largest_difference(one: pl.DataFrame, other: pl.DataFrame) -> float:
    assert one.select(KEYS).equals(other.select(KEYS))
    return (one["reward"] - other["reward"]).abs().max()


def test_every_engine_of_the_settings_is_registered():
    allowed = ScoringSettings.model_json_schema()["properties"]["engine"]["enum"]
    assert set(ENGINES) == set(allowed)


def test_a_cache_smaller_than_the_context_is_the_limit():
    assert find_limit(512, 512) == find_limit(512, 4096) == Limit(512)
    limit = find_limit(512, 256)
    assert (limit.tokens, limit.what) == (256, "vLLM's key-value cache")
    assert "set scoring.engine: transformers" in limit.remedy


def test_an_encoder_is_refused_before_vllm_starts(policy, tmp_path):
    config = BertConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, num_labels=1,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    load_tokenizer(policy, pads=False).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"set scoring\.engine: transformers") as refused:
        PoolingEngine(tmp_path, VLLM, dtype="float32")
    assert "BertForSequenceClassification" in str(refused.value)


def test_several_labels_are_refused_before_vllm_starts(reward_model, tmp_path):
    two = save_classifier(tmp_path, reward_model)
    config = AutoConfig.from_pretrained(two, num_labels=2)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(two)
    with pytest.raises(InputError, match=r"is not a reward model.*\n.*score.weight \(1, 64\)"):
        PoolingEngine(two, VLLM, dtype="float32")


@pytest.mark.parametrize(("family", "warned"), [("llama", False), ("mistral", True)])
def test_a_family_that_no_test_compares_is_named(family, warned, reward_model, tmp_path, caplog):
    tokenizer = load_tokenizer(reward_model, pads=False)
    config = AutoConfig.for_model(
        family, vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64, num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    require_readable(tmp_path)
    assert ("for the family mistral, only for llama, qwen3, gemma2" in caplog.text) == warned


@pytest.mark.slow
def test_rewards_are_those_of_the_plain_forward_pass(reward_model, responses):
    assert (responses["response"] == "").any()
    expected = rewards_of(responses, reward_model, ScoringSettings())
    set_threads = torch.set_num_threads
    found = rewards_of(responses, reward_model, VLLM)
    assert largest_difference(found, expected) < 1e-5
    assert expected["reward"].std() > 0.1
    # the engine is freed: vLLM's process group is gone, and the next engine starts
    assert not torch.distributed.is_initialized()
    assert torch.set_num_threads is set_threads
    assert not psutil.Process().children(recursive=True)
    shuffled = responses.sample(fraction=1, shuffle=True, seed=1)
    again = rewards_of(shuffled, reward_model, ScoringSettings(engine="vllm"))
    assert largest_difference(again, expected) < 1e-5


@pytest.mark.slow
def test_the_head_is_float32_over_a_bfloat16_body(reward_model, responses):
    exact = rewards_of(responses, reward_model, ScoringSettings())
    plain = rewards_of(responses, reward_model, ScoringSettings(), dtype="bfloat16")
    found = rewards_of(responses, reward_model, VLLM, dtype="bfloat16")
    values = torch.tensor(found["reward"].to_list(), dtype=torch.float64)
    assert (values.bfloat16().double() != values).any()
    assert largest_difference(found, exact) < 2 * largest_difference(plain, exact)


@pytest.mark.slow
def test_a_model_s_own_head_dtype_labels_and_pad_tokens_change_nothing(reward_model, tmp_path):
    """transformers reads the last token that is no pad token, and a float32 head is ours."""
    folder = save_classifier(tmp_path, reward_model)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    del config["id2label"], config["label2id"]
    file.write_text(json.dumps(config | {"head_dtype": "model"}))
    pad = config["pad_token_id"]
    rows = [[5, 6, 7], [5, 6, 7, pad, pad], [pad, 5, 6], [8] * 512]
    plain = load_reward_model(folder, "float32")
    assert plain.config.pad_token_id == pad
    with closing(ForwardEngine(folder, VLLM, dtype="float32")) as forward:
        expected = forward.compute(rows, range(4))
    with closing(PoolingEngine(folder, VLLM, dtype="float32")) as engine:
        assert engine._engine.llm.model_config.head_dtype == torch.float32
        assert engine.limit == Limit(512)
        assert engine.compute([], []) == []
        found = engine.compute(rows, range(4))
    assert found == pytest.approx(expected, abs=1e-5)
    assert found[0] == pytest.approx(found[1], abs=1e-5)


@pytest.mark.slow
def test_refused_rows_are_those_of_the_plain_forward_pass(reward_model, responses, tmp_path):
    number = pl.int_range(pl.len())
    bad = responses.with_columns(
        response=pl.when(number == 9)
        .then(None)
        .when(number == 12)
        .then(pl.lit(" ".join(WORDS * 60)))
        .otherwise("response")
    )
    messages = {}
    for engine in ENGINES:
        chunks: list[pl.DataFrame] = []
        settings = VLLM.model_copy(update={"engine": engine})
        with pytest.raises(InputError) as refused:
            score(bad, reward_model, settings, dtype="float32", commit=chunks.append)
        messages[engine] = str(refused.value)
        assert pl.concat(chunks).height == 28
    assert messages["vllm"] == messages["transformers"]
    assert "prompt p1, response 4 has no text; responses without a reward: 2" in messages["vllm"]

    broken = save_classifier(tmp_path, reward_model)
    model = AutoModelForSequenceClassification.from_pretrained(broken)
    model.score.weight.data.fill_(math.nan)
    model.save_pretrained(broken)
    with pytest.raises(InputError, match="not finite; responses without a reward: 10 of 10"):
        rewards_of(responses, broken, VLLM)


@pytest.mark.slow
def test_two_replicas_give_the_rewards_of_one_process(reward_model, responses):
    expected = rewards_of(responses, reward_model, ScoringSettings())
    devices = DeviceSettings(replicas=2)
    found = rewards_of(responses, reward_model, VLLM, devices=devices)
    assert largest_difference(found, expected) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted({*COMPARED} - {"llama"}))  # the others are llama
def test_other_families_give_the_same_rewards(family, reward_model, responses, tmp_path):
    """qwen3 normalises queries; gemma2 caps its logits, and every other layer reads a window."""
    tokenizer = load_tokenizer(reward_model, pads=False)
    config = AutoConfig.for_model(
        family, vocab_size=64, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32, max_position_embeddings=512,
        sliding_window=64, num_labels=1, pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    expected = rewards_of(responses, tmp_path, ScoringSettings())
    found = rewards_of(responses, tmp_path, VLLM)
    assert largest_difference(found, expected) < 1e-5


@pytest.mark.slow
def test_a_family_that_vllm_does_not_know_is_refused(reward_model, tmp_path):
    tokenizer = load_tokenizer(reward_model, pads=False)
    config = AutoConfig.for_model(
        "openai-gpt", vocab_size=64, n_embd=32, n_layer=1, n_head=2, n_positions=64, num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"set scoring\.engine: transformers"):
        PoolingEngine(tmp_path, VLLM, dtype="float32")
