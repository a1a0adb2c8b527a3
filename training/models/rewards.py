"""Rewards of responses: what computes them, and the forward pass of a Bradley-Terry reward model.

Source: Dong et al. 2024 (arXiv 2405.07863), section 2.2: the reward is the scalar head's output at
the last token of the whole conversation. A classifier of another kind, such as an encoder, computes
its own forward pass. Not here: commits (`training.scoring`), rewards that vLLM computes
(`training.engine.pooling`), the shortened last layer (`training.models.last_layer`), reasons why a
row has no reward (`training.models.unscorable`).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from types import MethodType
from typing import NamedTuple, cast

import polars as pl
import torch
from accelerate.utils import release_memory
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from training.models.batches import batch_by_length, pad_right
from training.models.last_layer import (
    compute_last_states,
    compute_packed_states,
    shorten_last_layer,
)
from training.models.loading.config import get_context_tokens
from training.models.loading.weights import load_classifier
from training.models.one_pass.families import prepare_one_pass, reads_packed_rows
from training.models.one_pass.packed_rows import batch_groups, pack
from training.models.rendering import tokenize_conversations
from training.models.unscorable import Limit, Refusal, refuse_rewards, refuse_texts
from training.settings.scoring import ScoringSettings


def load_reward_model(folder: Path, dtype: str, *, gpus: int = 1) -> PreTrainedModel:
    """Load a sequence classifier for `compute_rewards`, on GPUs where there are some.

    A classifier that is no decoder with a head `score` is computed in float32.

    Args:
        folder: folder of the reward model.
        dtype: dtype of the weights; the head is float32.
        gpus: GPUs of this process that share the model.

    Raises:
        InputError: the weights are not those of a classifier with one label, or there are too few
            GPUs.
    """
    model = load_classifier(folder, dtype, gpus=gpus)
    # In bfloat16, rewards near 2 have steps of 0.016, so that best and worst of n may tie.
    if reads_last_token(model):
        model.score.float()
        if gpus == 1:  # else the layer and the tokens that it reads are on two GPUs
            shorten_last_layer(cast(PreTrainedModel, model.base_model))
            prepare_one_pass(model)
    elif dtype != "float32":
        model = load_classifier(folder, "float32", gpus=gpus)
    if gpus == 1:
        cast(torch.nn.Module, model).to("cuda" if torch.cuda.is_available() else "cpu")
    return model.eval()


class RewardEngine(ABC):
    """A loaded reward model that computes rewards of token ids."""

    limit: Limit
    """The longest conversation that it reads."""

    @abstractmethod
    def __init__(
        self, folder: Path, settings: ScoringSettings, *, dtype: str, gpus: int = 1
    ) -> None:
        """Load the reward model of a folder.

        Args:
            folder: folder of the reward model.
            settings: batch_tokens, and what the engine needs besides.
            dtype: dtype of the weights; the head is float32.
            gpus: GPUs that share the model.

        Raises:
            InputError: the weights are not those of a classifier with one label, the engine cannot
                load it, or there are too few GPUs.
        """

    @abstractmethod
    def compute(
        self, token_ids: Sequence[Sequence[int]], prompts: Sequence[Hashable]
    ) -> list[float]:
        """Compute rewards as `compute_rewards` does, which has the same arguments."""

    @abstractmethod
    def close(self) -> None:
        """Free the model and its memory; nothing can be computed afterwards."""


class ForwardEngine(RewardEngine):
    """The model's own forward pass, in this process."""

    def __init__(
        self, folder: Path, settings: ScoringSettings, *, dtype: str, gpus: int = 1
    ) -> None:
        """Load the model (`load_reward_model`)."""
        self._model: PreTrainedModel | None = load_reward_model(folder, dtype, gpus=gpus)
        self._batch_tokens = settings.batch_tokens
        self.limit = Limit(get_context_tokens(self._model.config))

    def compute(
        self, token_ids: Sequence[Sequence[int]], prompts: Sequence[Hashable]
    ) -> list[float]:
        """Compute rewards in forward passes of batch_tokens."""
        model = cast(PreTrainedModel, self._model)
        return compute_rewards(model, token_ids, self._batch_tokens, prompts)

    def close(self) -> None:
        """Free the model: an engine that starts next needs nearly the whole GPU."""
        self._model = None
        release_memory()


class ChunkRewards(NamedTuple):
    """Rewards of a chunk, and the reasons of the rows without one."""

    rewards: list[float]
    """In the order of the rows, unbounded, in nats; NaN for a row without a reward."""
    refused: list[Refusal]
    """Reasons why rows have no reward, in the order of the rows."""
    tokens: int
    """Tokens of all conversations, without padding."""


def read_rewards(
    engine: RewardEngine,
    tokenizer: PreTrainedTokenizerBase,
    chunk: pl.DataFrame,
    reward_model: Path,
) -> ChunkRewards:
    """Render prompts with their responses, and compute the rewards.

    Args:
        engine: what computes them.
        tokenizer: tokenizer of the reward model.
        chunk: the columns of `responses` in `training.scoring.score`.
        reward_model: the model's folder, for error messages.
    """
    token_ids = tokenize_conversations(
        tokenizer, chunk["prompt"].to_list(), chunk["response"].fill_null("").to_list()
    )
    refusals = refuse_texts(chunk, token_ids, engine.limit)
    readable = [row for row in range(chunk.height) if row not in refusals]
    rewards = [math.nan] * chunk.height
    prompts = chunk["prompt_id"].to_list()
    found = engine.compute([token_ids[row] for row in readable], [prompts[row] for row in readable])
    for row, reward in zip(readable, found, strict=True):
        rewards[row] = reward
    refusals |= refuse_rewards(chunk, rewards, readable, reward_model)
    return ChunkRewards(
        rewards, [refusals[row] for row in sorted(refusals)], sum(map(len, token_ids))
    )


def compute_rewards(
    model: PreTrainedModel,
    token_ids: Sequence[Sequence[int]],
    batch_tokens: int,
    prompts: Sequence[Hashable],
) -> list[float]:
    """Compute the reward of every token list, independent of row order and batches.

    A model that reads packed rows computes what the rows of a prompt begin with once.

    On a CPU, batches run in parallel with one thread each, because threads that share one batch
    wait for each other after every small operation.

    Args:
        model: from `load_reward_model`.
        token_ids: conversations that fit into the model's context.
        batch_tokens: tokens per forward pass, with padding if there is some.
        prompts: what tells the prompt of each conversation from others.

    Returns:
        Rewards in the order of `token_ids`, unbounded; NaN or infinite where the model's output is.
    """

    def forward(groups: list[list[int]]) -> list[float]:
        rows = [[token_ids[row] for row in group] for group in groups]
        if packs:
            return _forward_packed(model, rows)
        return _forward(model, [ids for group in rows for ids in group])

    rewards = [0.0] * len(token_ids)
    packs = reads_packed_rows(model)
    batches = (
        list(batch_groups(token_ids, prompts, batch_tokens))
        if packs
        else [[rows] for rows in batch_by_length(token_ids, batch_tokens)]
    )
    threads = torch.get_num_threads()
    workers = 1 if model.device.type == "cuda" else threads
    with ThreadPoolExecutor(workers, "rewards", torch.set_num_threads, (1,)) as pool:
        for batch, found in zip(batches, pool.map(forward, batches), strict=True):
            for row, reward in zip(chain.from_iterable(batch), found, strict=True):
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


def reads_last_token(model: PreTrainedModel) -> bool:
    """Check whether a classifier is a causal decoder whose head `score` reads one token's state."""
    return hasattr(model, "score") and model.config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES


@torch.inference_mode()
def _forward(model: PreTrainedModel, token_ids: list[Sequence[int]]) -> list[float]:
    pad_id = model.config.pad_token_id
    inputs, mask = pad_right(token_ids, 0 if pad_id is None else pad_id, model.device)
    if not reads_last_token(model):
        return model(input_ids=inputs, attention_mask=mask).logits[:, 0].tolist()
    decoder, head = cast(PreTrainedModel, model.base_model), cast(torch.nn.Module, model.score)
    states = compute_last_states(decoder, inputs, _find_read_tokens(inputs, mask, pad_id))
    return head(states.float())[:, 0].tolist()


@torch.inference_mode()
def _forward_packed(model: PreTrainedModel, groups: list[list[Sequence[int]]]) -> list[float]:
    pad_id = model.config.pad_token_id
    packed = pack([[strip_right(row, pad_id) for row in rows] for rows in groups], model.device)
    last = torch.tensor(packed.count_tokens(), device=model.device) - 1
    read = packed.places.gather(1, last[:, None])[:, 0]
    states = compute_packed_states(model, packed, read)
    return cast(torch.nn.Module, model.score)(states.float())[:, 0].tolist()


def strip_right(row: Sequence[int], pad_id: int | None) -> Sequence[int]:
    """Return a row without pad tokens at its end, but with one token at least."""
    end = len(row)
    while end > 1 and row[end - 1] == pad_id:
        end -= 1
    return row[:end]


def _find_read_tokens(inputs: torch.Tensor, mask: torch.Tensor, pad_id: int | None) -> torch.Tensor:
    """Return the position that the head reads in each row.

    As in transformers, it is that of the last token that is not the pad token. In a model that the
    recipe trains, this is the last token of the conversation.
    """
    is_read = mask if pad_id is None else mask * (inputs != pad_id)
    positions = torch.arange(inputs.shape[1], device=inputs.device)
    return (is_read * positions).argmax(dim=1)
