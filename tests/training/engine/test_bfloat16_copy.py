from pathlib import Path

import torch
from safetensors.torch import load_file

from training.engine.bfloat16_copy import choose_weights
from training.models.checkpoint import hash_checkpoint, require_model
from training.models.initial_model import make_tiny_model
from training.settings.model import DeviceSettings, TinyModelSettings

COPIES = DeviceSettings(bfloat16_copy=True)
TALK = [[{"role": "user", "content": "a b"}, {"role": "assistant", "content": "c"}]]


def make_policy(folder: Path) -> Path:
    make_tiny_model(TinyModelSettings(layers=1, hidden_size=32, heads=1), TALK, folder, seed=0)
    return folder


def test_the_copy_is_a_model_with_rounded_weights_and_the_id_stays(tmp_path):
    policy = make_policy(tmp_path / "policy")
    name = hash_checkpoint(policy)
    copy = choose_weights(policy, "bfloat16", COPIES)
    require_model(copy)
    assert hash_checkpoint(policy) == name
    whole = load_file(policy / "model.safetensors")
    rounded = load_file(copy / "model.safetensors")
    assert whole.keys() == rounded.keys()
    assert all(torch.equal(one.to(torch.bfloat16), rounded[key]) for key, one in whole.items())
    made = (copy / "model.safetensors").stat().st_mtime_ns
    assert choose_weights(policy, "bfloat16", COPIES) == copy
    assert (copy / "model.safetensors").stat().st_mtime_ns == made


def test_without_the_setting_or_in_float32_the_policy_itself_is_read(tmp_path):
    policy = make_policy(tmp_path / "policy")
    assert choose_weights(policy, "bfloat16", DeviceSettings()) == policy
    assert choose_weights(policy, "float32", COPIES) == policy
    assert not (policy / "bfloat16").exists()
