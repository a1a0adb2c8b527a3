"""vLLM as a sampler: its prompts, its settings, and a request queue that keeps its batch full.

Not here: the engine from start to end (`training.engine.running_engine`), rows of responses
(`training.engine.sampler`).
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import torch
from transformers import PreTrainedTokenizerBase

from training.engine.running_engine import RunningEngine, set_environment
from training.models.loading.config import has_added_rows, read_context_tokens
from training.models.rendering import RENDERED_AT_ONCE, tokenize_prompts
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError

QUEUED_BATCHES = 8
"""Most sequences in the engine, as a multiple of max_sequences: the batch stays full, and memory is
bounded."""

KNOWN_TOKENS = "training.engine.known_tokens:KnownTokens"
"""Mask of the token ids that have no text."""
NUCLEUS = "training.engine.nucleus:Nucleus"
"""Top-p without a sort."""


def require_context(policy: Path, max_context_tokens: int) -> None:
    """Refuse a max_context_tokens that is larger than the context of the policy.

    Raises:
        InputError: the message gives both numbers.
    """
    positions = read_context_tokens(policy)
    if max_context_tokens > positions:
        raise InputError(
            f"the context of the policy {policy} is too short",
            expected=f"at least max_context_tokens {max_context_tokens}",
            found=f"{positions} tokens (max_position_embeddings)",
            remedy=f"lower sampling.max_context_tokens to at most {positions}",
        )


def render_prompts(
    tokenizer: PreTrainedTokenizerBase,
    prompts: pl.DataFrame,
    settings: SamplingSettings,
    *,
    context_tokens: int,
) -> list[array]:
    """Render every prompt to token ids (4 bytes per token); refuse a prompt that is too long.

    Raises:
        InputError: a prompt and max_tokens do not fit into `context_tokens`; the message gives its
            prompt_id.
    """
    limit = context_tokens - settings.max_tokens
    rendered: list[array] = []
    for chunk in prompts.iter_slices(RENDERED_AT_ONCE):
        for prompt_id, token_ids in zip(
            chunk["prompt_id"], tokenize_prompts(tokenizer, chunk["prompt"].to_list()), strict=True
        ):
            if len(token_ids) > limit:
                raise InputError(
                    f"prompt {prompt_id} is too long: no room is left for a response",
                    expected=f"at most {limit} tokens (max_context_tokens {context_tokens}"
                    f" - max_tokens {settings.max_tokens})",
                    found=f"{len(token_ids)} tokens",
                    remedy="raise sampling.max_context_tokens, lower sampling.max_tokens, or drop"
                    " the prompt",
                )
            rendered.append(array("i", token_ids))
    return rendered


def start_engine(
    policy: Path, settings: SamplingSettings, *, seed: int, dtype: str, gpus: int
) -> RunningEngine:
    """Start vLLM on `gpus` GPUs, to sample from a policy."""
    set_environment()  # before `sorts_vocabulary` imports vLLM
    masks: list[Any] = [KNOWN_TOKENS] if has_added_rows(policy) else []
    if sorts_vocabulary():
        masks.append(NUCLEUS)
    return RunningEngine(
        policy,
        gpus=gpus,
        gpu_memory_utilization=settings.gpu_memory_utilization,
        cpu_kv_cache_gib=settings.cpu_kv_cache_gib,
        dtype=dtype,
        max_model_len=settings.max_context_tokens,
        max_num_seqs=settings.max_sequences,
        seed=seed,
        logits_processors=masks or None,
    )


def sorts_vocabulary() -> bool:
    """Return whether vLLM sorts all logits for top-p, so that `NUCLEUS` replaces it."""
    from vllm.triton_utils import HAS_TRITON

    return not torch.cuda.is_available() and not HAS_TRITON


def choose_top_p(top_p: float) -> dict[str, Any]:
    """Return the arguments of vLLM's SamplingParams for top-p."""
    if top_p < 1 and sorts_vocabulary():
        from training.engine.nucleus import ARGUMENT

        return {"extra_args": {ARGUMENT: top_p}}
    return {"top_p": top_p}


def run_requests(
    engine: Any,
    token_ids: list[array],
    settings: SamplingSettings,
    max_sequences: int,
    *,
    top_logprobs: int = 0,
) -> Iterator[tuple[int, list[Any]]]:
    """Add requests so that the batch stays full, and yield prompts as they finish.

    With one `LLM.generate` per chunk the batch would become empty at the end of every chunk.

    Args:
        engine: vLLM's LLMEngine.
        token_ids: rendered prompts.
        settings: samplers (one request per prompt and sampler), n, temperature, top_p, max_tokens.
        max_sequences: sequences that the engine runs at once.
        top_logprobs: number of likeliest tokens whose log-probabilities are returned with each
            sampled token; 0 for none.

    Yields:
        Number of the prompt, and its outputs, one per sampler, in their order.
    """
    from vllm import SamplingParams
    from vllm.inputs.engine import tokens_input
    from vllm.sampling_params import RequestOutputKind

    params = [
        SamplingParams(
            n=sampler.n,
            temperature=sampler.temperature,
            **choose_top_p(sampler.top_p),
            max_tokens=settings.max_tokens,
            output_kind=RequestOutputKind.FINAL_ONLY,
            logprobs=top_logprobs or None,
            detokenize=False,  # the commit thread decodes a whole chunk at once
        )
        for sampler in settings.resolve_samplers()
    ]
    most = max(1, QUEUED_BATCHES * max_sequences // settings.responses_per_prompt)
    unfinished: dict[int, dict[int, Any]] = {}
    """Outputs of finished requests, by number of the prompt and of the sampler."""
    added = 0
    try:
        while added < len(token_ids) or unfinished:
            while added < len(token_ids) and len(unfinished) < most:
                prompt = tokens_input(list(token_ids[added]))
                for request_id, param in enumerate(params, start=added * len(params)):
                    engine.add_request(str(request_id), prompt, param)
                unfinished[added] = {}
                added += 1
            for output in engine.step():
                if not output.finished:
                    continue
                number, sampler = divmod(int(output.request_id), len(params))
                finished = unfinished[number]
                finished[sampler] = output
                if len(finished) == len(params):
                    del unfinished[number]
                    yield number, [finished[sampler] for sampler in range(len(params))]
    finally:
        # After an error the engine must be empty for the next call.
        engine.abort_request(
            [
                str(number * len(params) + sampler)
                for number, finished in unfinished.items()
                for sampler in range(len(params))
                if sampler not in finished
            ]
        )
