"""Models that also read images: their text part is the initial model, with the same logits."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    Gemma3Config,
    Llama4Config,
    Mistral3Config,
    Qwen2_5_VLConfig,
    set_seed,
)

from training.engine.sampler import Sampler
from training.engine.sequence_logps import compute_response_logps
from training.models.initial_model import fetch_initial_model
from training.models.loading.config import read_context_tokens
from training.models.loading.weights import (
    load_causal_model,
    require_causal_weights,
    require_classifier,
)
from training.reward_model import train_reward_model
from training.scoring import score
from training.settings.model import ModelSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings
from training.settings.stages import RewardModelSettings, SFTSettings
from training.sft import train_sft
from transforms.errors import InputError

VISION = {
    "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2,
    "image_size": 28, "patch_size": 14,
}  # fmt: skip
TEXT = {
    "vocab_size": 64, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
    "max_position_embeddings": 64,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "gemma3": lambda ids: Gemma3Config(
        text_config=TEXT | ids, vision_config=VISION, mm_tokens_per_image=4, image_token_index=62
    ),
    "mistral3": lambda ids: Mistral3Config(
        text_config=TEXT | ids | {"model_type": "mistral"},
        vision_config=VISION | {"model_type": "pixtral", "head_dim": 16},
        image_token_index=62,
    ),
    "llama4": lambda ids: Llama4Config(
        text_config=TEXT | ids | {"intermediate_size_mlp": 64, "num_local_experts": 2},
        vision_config=VISION
        | {"vision_output_dim": 32, "projector_input_dim": 32, "projector_output_dim": 32},
    ),
}


def make_nested(kind: str, tiny_policy: Path, folder: Path) -> Path:
    """A model of text and images with the tokenizer of `tiny_policy`."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_policy)
    names = ("pad_token_id", "bos_token_id", "eos_token_id")
    config = CONFIGS[kind]({name: getattr(tokenizer, name) for name in names})
    set_seed(0)
    AutoModelForImageTextToText.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "kind",
    [
        "gemma3",
        pytest.param("mistral3", marks=pytest.mark.slow),
        pytest.param("llama4", marks=pytest.mark.slow),
    ],
)
def test_the_text_part_has_the_logits_of_the_whole_model(kind, tiny_policy, tmp_path):
    nested, fetched = make_nested(kind, tiny_policy, tmp_path / "nested"), tmp_path / "fetched"
    assert read_context_tokens(nested) == 64
    require_causal_weights(nested, text_part=True)
    with pytest.raises(InputError, match="not a text model"):
        require_causal_weights(nested)
    fetch_initial_model(ModelSettings(path=str(nested), dtype="float32"), fetched)
    whole = AutoModelForImageTextToText.from_pretrained(nested).eval()
    part = load_causal_model(fetched, "float32").eval()
    ids = torch.tensor([[1, 5, 6, 7, 8, 9]])
    with torch.no_grad():
        assert torch.equal(part(input_ids=ids).logits, whole(input_ids=ids).logits)
    assert read_context_tokens(fetched) == 64
    if kind == "llama4":
        with pytest.raises(InputError, match="cannot be a reward model"):
            require_classifier(fetched)
    else:
        require_classifier(fetched)


def test_a_text_part_that_is_no_language_model_of_its_own_is_refused(tmp_path):
    Qwen2_5_VLConfig(text_config=TEXT).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="qwen2_5_vl_text, not in AutoModelForCausalLM"):
        require_causal_weights(tmp_path, text_part=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gemma3", "mistral3"])
def test_a_text_part_goes_through_the_stages(
    kind, tiny_policy, demonstrations, preference_pairs, tmp_path
):
    """Fine-tuning, sampling, log-probabilities, a reward model and its rewards."""
    initial, sft, reward = (tmp_path / name for name in ("initial", "sft", "reward"))
    nested = make_nested(kind, tiny_policy, tmp_path / "nested")
    fetch_initial_model(ModelSettings(path=str(nested), dtype="float32"), initial)
    shutil.rmtree(nested)
    steps = {"batch_size": 4, "micro_batch_size": 4, "max_steps": 2, "max_tokens": 64}
    settings = SFTSettings(**steps)
    train_sft(demonstrations, initial, sft, settings, seed=0, dtype="float32")
    prompts = preference_pairs.select("prompt_id", "prompt")
    sampling = SamplingSettings(n=2, max_tokens=8, max_context_tokens=64)
    found: list[pl.DataFrame] = []
    with Sampler(sft, sampling, seed=0, dtype="float32") as sampler:
        sampler.sample(prompts, sampling, commit=found.append)
    responses = pl.concat(found).join(prompts, on="prompt_id")
    assert responses.height == 16
    logps = compute_response_logps(responses, sft, batch_tokens=256, dtype="float32")
    assert logps["logp"].is_finite().all()
    settings = RewardModelSettings(**steps)
    train_reward_model(preference_pairs, sft, reward, settings, seed=0, dtype="float32")
    scored: list[pl.DataFrame] = []
    score(responses, reward, ScoringSettings(), dtype="float32", commit=scored.append)
    assert pl.concat(scored).height == 16
