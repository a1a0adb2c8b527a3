"""A model is loaded with all its weights, or refused; none is random, none is left out."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Gemma3Config,
    GPT2Config,
    LlamaConfig,
    Qwen2_5_VLConfig,
    set_seed,
)
from transformers.utils.logging import enable_progress_bar

from training.models.loading.config import read_context_tokens, require_embeddings
from training.models.loading.gpus import require_loaded_on_gpus
from training.models.loading.weights import (
    load_causal_model,
    load_classifier,
    require_causal_weights,
)
from training.models.rewards import compute_rewards, load_reward_model
from training.reward_model import train_reward_model
from training.settings.stages import RewardModelSettings
from transforms.errors import InputError

WIDTH = 64


@pytest.fixture
def reward_model(tiny_policy, tmp_path) -> Path:
    """A folder of a reward model."""
    folder = shutil.copytree(tiny_policy, tmp_path / "reward")
    set_seed(0)
    load_classifier(folder, "float32", new_head=True).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["LlamaForSequenceClassification"]
    return folder


def rename(folder: Path, old: str, new: str) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights[new] = weights.pop(old)
    save_file(weights, file, metadata={"format": "pt"})


def test_without_a_terminal_a_model_is_loaded_in_silence(tiny_policy, capfd):
    enable_progress_bar()
    load_causal_model(tiny_policy, "float32")
    assert capfd.readouterr().err == ""


def test_a_reward_model_is_read_with_its_own_head(reward_model):
    one, other = (
        compute_rewards(load_reward_model(reward_model, "float32"), [[1, 2, 3]], 16, ["prompt"])
        for _ in range(2)
    )
    assert one == other


@pytest.mark.parametrize(
    "head", ["value_head.weight", "v_head.summary.weight", "classifier.weight"]
)
def test_a_head_of_another_name_is_refused_and_both_names_are_given(reward_model, head):
    rename(reward_model, "score.weight", head)
    with pytest.raises(InputError, match="not a reward model") as refusal:
        load_reward_model(reward_model, "float32")
    assert f"expected: score.weight\n  found:    {head}" in str(refusal.value)


def test_a_weight_beside_the_head_is_refused(reward_model):
    weights = load_file(reward_model / "model.safetensors")
    save_file(weights | {"score.bias": torch.ones(1)}, reward_model / "model.safetensors")
    with pytest.raises(InputError, match=r"score.bias"):
        load_reward_model(reward_model, "float32")


def test_a_head_of_two_labels_is_refused(reward_model):
    weights = load_file(reward_model / "model.safetensors")
    weights["score.weight"] = torch.ones(2, WIDTH)
    save_file(weights, reward_model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"score.weight \(1, 64\)\n.*score.weight \(2, 64\)"):
        load_reward_model(reward_model, "float32")


def test_further_training_does_not_replace_a_head_of_another_name(
    reward_model, preference_pairs, tmp_path
):
    rename(reward_model, "score.weight", "value_head.weight")
    settings = RewardModelSettings(batch_size=8, micro_batch_size=8)
    with pytest.raises(InputError, match=r"value_head.weight"):
        train_reward_model(
            preference_pairs, reward_model, tmp_path / "more", settings, seed=0, dtype="float32"
        )


def test_a_reward_model_is_no_policy(reward_model):
    with pytest.raises(InputError, match="not a language model") as refusal:
        load_causal_model(reward_model, "float32")
    for name in ("lm_head.weight", "score.weight"):
        assert name in str(refusal.value)


def test_a_policy_without_one_of_its_weights_is_refused(tiny_policy, tmp_path):
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    rename(folder, "model.norm.weight", "model.last_norm.weight")
    for load in (load_causal_model, lambda model, _: require_causal_weights(model)):
        with pytest.raises(InputError, match=r"expected: model.norm.weight"):
            load(folder, "float32")


def test_tied_weights_are_not_missing(tiny_policy, tmp_path):
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"expected: lm_head.weight"):
        load_causal_model(folder, "float32")
    config = (folder / "config.json").read_text()
    tied = config.replace('"tie_word_embeddings": false', '"tie_word_embeddings": true')
    (folder / "config.json").write_text(tied)
    load_causal_model(folder, "float32")


def test_the_context_of_a_composite_config_is_that_of_its_text_part(tmp_path):
    text = {"max_position_embeddings": 512}
    Gemma3Config(text_config=text).save_pretrained(tmp_path / "gemma")
    Qwen2_5_VLConfig(text_config=text).save_pretrained(tmp_path / "qwen")
    LlamaConfig(**text).save_pretrained(tmp_path / "llama")
    GPT2Config(n_positions=512).save_pretrained(tmp_path / "gpt2")
    for name in ("gemma", "qwen", "llama", "gpt2"):
        assert read_context_tokens(tmp_path / name) == 512


def test_a_model_with_an_image_part_is_refused(tmp_path):
    Gemma3Config().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not a text model"):
        load_causal_model(tmp_path, "float32")


def test_an_unknown_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "home_made"}')
    with pytest.raises(InputError, match=r"home_made"):
        read_context_tokens(tmp_path)


def test_a_token_without_an_embedding_is_refused():
    require_embeddings({"a": 0, "b": 9}, 10, "model")
    with pytest.raises(InputError, match="'b' with id 10"):
        require_embeddings({"a": 0, "b": 10}, 10, "model")


def test_weights_are_loaded_in_one_module():
    """`from_pretrained` of transformers gives missing weights random numbers and goes on."""
    root = Path(__file__).resolve().parents[3]
    loading = [
        file.name
        for room in ("assets", "training", "transforms")
        for file in (root / room).rglob("*.py")
        if re.search(r"(?<!Config)(?<!AutoTokenizer)\.from_pretrained\(", file.read_text())
    ]
    assert loading == ["weights.py"]


@pytest.mark.slow
def test_a_model_on_two_gpus_runs_in_every_forward_pass():
    """Layers and head are on two devices; torch checks the devices of every operation."""
    command = [sys.executable, "-m", "tests.training.models.two_gpus"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["rewards", "preferences", "log-probabilities"], ran.stderr


@pytest.mark.parametrize(
    ("places", "refused"),
    [
        ({"": 0}, False),
        ({"": "cpu"}, False),
        ({"": "meta"}, False),
        ({"a": 0, "b": 1}, False),
        ({"a": 0, "b": 1, "c": "disk"}, True),
        ({"a": 0, "b": "cpu"}, True),
    ],
)
def test_weights_without_a_place_on_the_gpus_are_refused(places, refused):
    model = SimpleNamespace(hf_device_map=places)
    if refused:
        with pytest.raises(InputError, match=r"too large for \d GPUs"):
            require_loaded_on_gpus(model, "m")
    else:
        require_loaded_on_gpus(model, "m")
