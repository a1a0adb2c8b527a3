"""The n responses of a prompt in one packed row that holds the prompt once.

    tokens     prompt | response 1 | response 2 | ... | response n
    positions  0..P-1 | P..        | P..        | ... | P..

A response attends to the prompt, without a mask, and to itself, causally; both parts come with the
logarithm of their softmax's denominator, by which they are merged exactly (as in Dao et al. 2022,
arXiv 2205.14135, section 3.1, for blocks of keys). One explicit mask over the packed row would be
exact too, but keeps the kernel from skipping what it hides. For the CPU: other devices' kernels
return the denominators under other names.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel

NAME = "shared_prompt"
attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
"""(query, key, value, dropout, is_causal) to output, logarithm of the denominator, ..."""


@dataclass(frozen=True)
class Packed:
    """Where the prompt ends and each response lies in a packed row."""

    prompt: int
    responses: list[tuple[int, int]]


def common_prefix(token_ids: list[list[int]]) -> int:
    """Tokens that all lists begin with; at least one of every list is left."""
    length = min(map(len, token_ids)) - 1
    for position in range(length):
        if len({row[position] for row in token_ids}) > 1:
            return position
    return length


def attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    packed: Packed,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend in a packed row, [1, heads, tokens, width]; all heads have keys of their own."""
    prompt = packed.prompt
    if query.shape[2] != key.shape[2]:  # the last layer: the last token of every response
        mask = torch.zeros(query.shape[2], key.shape[2], dtype=torch.bool)
        mask[:, :prompt] = True
        for row, (start, end) in zip(mask, packed.responses, strict=True):
            row[start:end] = True
        out = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, mask, scale=scaling
        )
        return out.transpose(1, 2), None

    def part(queries: slice, keys: slice, *, causal: bool) -> tuple[torch.Tensor, torch.Tensor]:
        tensors = query[:, :, queries], key[:, :, keys], value[:, :, keys]
        return attend(*tensors, 0.0, causal, scale=scaling)[:2]

    before, behind = slice(0, prompt), slice(prompt, None)
    out = torch.empty_like(query)
    out[:, :, before] = part(before, before, causal=True)[0]
    out[:, :, behind], of_prompt = part(behind, before, causal=False)
    for start, end in packed.responses:
        own, of_own = part(slice(start, end), slice(start, end), causal=True)
        weight = torch.sigmoid(of_own - of_prompt[:, :, start - prompt : end - prompt])
        out[:, :, start:end].lerp_(own, weight[..., None])
    return out.transpose(1, 2), None


def compute_rewards_by_prompt(
    model: PreTrainedModel, token_ids: list[list[int]], n: int
) -> list[float]:
    """Compute rewards as `training.models.rewards.compute_rewards` does, n rows per prompt."""
    AttentionInterface.register(NAME, attention)
    model.base_model.config._attn_implementation = NAME
    groups = [token_ids[start : start + n] for start in range(0, len(token_ids), n)]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, "rewards", torch.set_num_threads, (1,)) as pool:
        return [
            reward for found in pool.map(lambda g: _forward(model, g), groups) for reward in found
        ]


@torch.inference_mode()
def _forward(model: PreTrainedModel, token_ids: list[list[int]]) -> list[float]:
    prompt = common_prefix(token_ids)
    tokens, positions = token_ids[0][:prompt], list(range(prompt))
    responses = []
    for row in token_ids:
        responses.append((len(tokens), len(tokens) + len(row) - prompt))
        tokens = tokens + row[prompt:]
        positions += range(prompt, len(row))
    states = model.base_model(
        input_ids=torch.tensor([tokens]),
        position_ids=torch.tensor([positions]),
        use_cache=False,
        read=torch.tensor([[end - 1 for _, end in responses]]),
        packed=Packed(prompt, responses),
    ).last_hidden_state[0]
    return model.score(states)[:, 0].tolist()
