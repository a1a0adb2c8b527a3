"""Rewards of token lists: the forward pass of a Bradley-Terry reward model.

Source: Dong et al. 2024 (arXiv 2405.07863), section 2.2: the reward is the scalar head's output at
the last token of the whole conversation. Not here: texts, rows and commits (`training.scoring`),
the shortened last layer (`training.models.last_layer`).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MethodType
from typing import cast

import torch
from transformers import PreTrainedModel

from training.models.batches import batch_by_length, pad_right
from training.models.last_layer import compute_last_states, shorten_last_layer
from training.models.weights import load_classifier
from transforms.errors import InputError


def load_reward_model(folder: Path, dtype: str) -> PreTrainedModel:
    """Load a sequence classifier for `compute_rewards`, on the GPU where there is one.

    Raises:
        InputError: the weights are not those of a classifier with one label, or it has no pad
            token.
    """
    model = load_classifier(folder, dtype)
    if model.config.pad_token_id is None:
        raise InputError(
            f"{folder} is not a reward model",
            expected="a sequence classifier with a pad_token_id in its config",
            found="no pad_token_id",
            remedy="train it with training.reward_model",
        )
    # In bfloat16, rewards near 2 have steps of 0.016, so that best and worst of n may tie.
    model.score.float()
    shorten_last_layer(cast(PreTrainedModel, model.base_model))
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def compute_rewards(
    model: PreTrainedModel, token_ids: Sequence[Sequence[int]], batch_tokens: int
) -> list[float]:
    """Compute the reward of every token list, independent of row order and batches.

    On a CPU, batches run in parallel with one thread each, because threads that share one batch
    wait for each other after every small operation.

    Args:
        model: from `load_reward_model`.
        token_ids: conversations that fit into the model's context.
        batch_tokens: padded tokens per forward pass.

    Returns:
        Rewards in the order of `token_ids`, unbounded; NaN or infinite where the model's output is.
    """

    def forward(batch: list[int]) -> list[float]:
        return _forward(model, [token_ids[row] for row in batch])

    rewards = [0.0] * len(token_ids)
    batches = list(batch_by_length(token_ids, batch_tokens))
    threads = torch.get_num_threads()
    workers = 1 if model.device.type == "cuda" else threads
    with ThreadPoolExecutor(workers, "rewards", torch.set_num_threads, (1,)) as pool:
        for batch, found in zip(batches, pool.map(forward, batches), strict=True):
            for row, reward in zip(batch, found, strict=True):
                rewards[row] = reward
    torch.set_num_threads(threads)  # else threads started later would use 1, too
    return rewards


def compute_head_in_float32(model: PreTrainedModel) -> None:
    """Make the scalar head of a model in training compute rewards in float32, for every dtype.

    In bfloat16, rewards near 2 have steps of 0.016, and the loss of a pair is made of a difference.
    """

    def forward(head: torch.nn.Linear, states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(states.device.type, enabled=False):
            return torch.nn.functional.linear(states.float(), head.weight.float())

    head = cast(torch.nn.Linear, model.score)
    # A bound method, because peft trains a copy of the head: the copy's method reads its weights.
    head.forward = MethodType(forward, head)  # type: ignore[method-assign]


@torch.inference_mode()
def _forward(model: PreTrainedModel, token_ids: list[Sequence[int]]) -> list[float]:
    inputs, mask = pad_right(token_ids, model.config.pad_token_id, model.device)
    decoder, head = cast(PreTrainedModel, model.base_model), cast(torch.nn.Module, model.score)
    states = compute_last_states(decoder, inputs, mask.sum(dim=1) - 1)
    return head(states.float())[:, 0].tolist()
