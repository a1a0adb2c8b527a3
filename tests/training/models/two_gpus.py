"""Forward passes of a model whose layers are on two GPUs, without a GPU: a command for a test.

Tensors of torch's `FakeTensorMode` have a device and no values. An operation between two devices is
an error, as on real GPUs, except that indices may be on another device. The devices are those of a
made-up backend, `gpu`.
"""

from pathlib import Path
from types import SimpleNamespace

import torch
from accelerate import dispatch_model
from torch._subclasses import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
from transformers import AutoModelForCausalLM as Causal
from transformers import AutoModelForSequenceClassification as Classifier
from transformers import LlamaConfig

from training.models import logps, preference_forward, rewards

CONFIG = LlamaConfig(
    vocab_size=64,
    hidden_size=64,
    intermediate_size=64,
    num_hidden_layers=4,
    num_attention_heads=2,
    num_key_value_heads=2,
    num_labels=1,
    pad_token_id=0,
)
ROWS = [[1, 2, 3, 4, 5], [1, 2, 3]]


def move(module: torch.nn.Module, device: str) -> None:
    """Put the weights of a module on a device; `Module.to` refuses fake tensors."""
    for one in module.modules():
        for store in (one._parameters, one._buffers):
            for name, value in store.items():
                if value is not None:
                    moved = torch.empty(value.shape, dtype=value.dtype, device=device)
                    is_weight = store is one._parameters
                    store[name] = torch.nn.Parameter(moved, False) if is_weight else moved


def load(kind: type, **head: str) -> torch.nn.Module:
    """Make a model whose first two layers are on the first GPU, and the others on the second."""
    model = kind.from_config(CONFIG)
    first = ["model.embed_tokens", "model.rotary_emb", "model.layers.0", "model.layers.1"]
    second = ["model.layers.2", "model.layers.3", "model.norm"]
    places = dict.fromkeys(first, "gpu:0") | dict.fromkeys(second, "gpu:1") | head
    for name, device in places.items():
        move(model.get_submodule(name), device)
    return dispatch_model(model, places, main_device="gpu:0")


def pad(token_ids: list, pad_id: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and mask without values."""
    shape = len(token_ids), max(map(len, token_ids))
    return tuple(torch.zeros(shape, dtype=torch.long, device=device) for _ in range(2))


def main() -> None:
    """Run every forward pass; print the names of those that ended."""
    _setup_privateuseone_for_python_backend("gpu")
    # what needs values or moves weights
    torch.Tensor.tolist = lambda tensor: [0.0] * len(tensor)
    torch.Tensor.item = lambda tensor: 0.0
    torch.nn.Module.float = lambda module: module
    for module in (logps, rewards, preference_forward):
        module.pad_right = pad
    rewards.load_classifier = lambda *_, **__: load(Classifier, score="gpu:1")
    preference_forward.load_causal_model = lambda *_, **__: load(Causal, lm_head="gpu:0")
    preference_forward.load_tokenizer = lambda folder: SimpleNamespace(pad_token_id=0)
    preference_forward.find_label_tokens = lambda tokenizer: (1, 2)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model = rewards.load_reward_model(Path(), "float32", gpus=2)
        assert len(rewards._forward(model, ROWS)) == 2
        print("rewards")
        model = preference_forward.load_preference_model(Path(), "float32", gpus=2)
        assert len(preference_forward._compute_chances_of_a(model, ROWS)) == 2
        print("preferences")
        model = load(Causal, lm_head="gpu:1")
        assert len(list(logps.sum_logps(model, ROWS, [2, 1], 64))) == 2
        print("log-probabilities")


if __name__ == "__main__":
    main()
