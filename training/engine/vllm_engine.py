"""vLLM's engine: its start on GPUs or a CPU, and its requests in a queue that never runs empty.

Not here: the engine's end, the rows of a response (`training.engine.sampler`).
"""

import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from training.settings.sampling import SamplingSettings
from transforms.errors import InputError

QUEUED_BATCHES = 8
"""Sequences in the engine, in units of max_sequences: the batch stays full, memory stays flat."""


def require_context(policy: Path, max_context_tokens: int) -> None:
    """Refuse an engine with more context than its policy has.

    Raises:
        InputError: the message names both numbers.
    """
    positions = AutoConfig.from_pretrained(policy).max_position_embeddings
    if max_context_tokens > positions:
        raise InputError(
            f"the policy {policy} has too short a context",
            expected=f"at least max_context_tokens {max_context_tokens}",
            found=f"{positions} tokens (max_position_embeddings)",
            remedy=f"lower sampling.max_context_tokens to at most {positions}",
        )


def start_engine(policy: Path, settings: SamplingSettings, *, seed: int, dtype: str) -> Any:
    """Start vLLM; the environment variables that it reads are set before it is imported."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        # A second process would compete for the same cores; in-process scheduling is repeatable.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(settings.cpu_kv_cache_gib)
    else:
        # A fork would copy the locks that other threads (polars, Arrow) hold at that moment.
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    from vllm import LLM

    placement: dict[str, Any] = (
        {
            "gpu_memory_utilization": settings.gpu_memory_utilization,
            "tensor_parallel_size": settings.tensor_parallel_size,
        }
        if on_gpu
        else {"enforce_eager": True, "distributed_executor_backend": "uni"}
    )
    return LLM(
        str(policy),
        dtype=dtype,
        max_model_len=settings.max_context_tokens,
        max_num_seqs=settings.max_sequences,
        seed=seed,
        **placement,
    )


def run_requests(
    engine: Any,
    token_ids: list[array],
    settings: SamplingSettings,
    max_sequences: int,
    *,
    top_logprobs: int = 0,
) -> Iterator[tuple[int, list[Any]]]:
    """Add requests so that the batch stays full, and yield prompts as they finish.

    One `LLM.generate` per chunk would let the batch run empty at the end of every chunk.

    Args:
        engine: vLLM's LLMEngine.
        token_ids: rendered prompts.
        settings: samplers (a request per prompt and sampler), n, temperature, top_p and max_tokens.
        max_sequences: sequences that the engine runs at once.
        top_logprobs: log-probabilities of the likeliest tokens that come with each; 0 for none.

    Yields:
        Number of the prompt, and its requests, one per sampler, in their order.
    """
    from vllm import SamplingParams
    from vllm.inputs.engine import tokens_input
    from vllm.sampling_params import RequestOutputKind

    params = [
        SamplingParams(
            n=sampler.n,
            temperature=sampler.temperature,
            top_p=sampler.top_p,
            max_tokens=settings.max_tokens,
            output_kind=RequestOutputKind.FINAL_ONLY,
            logprobs=top_logprobs or None,
            detokenize=False,  # a chunk is decoded at once, in the commits' thread
        )
        for sampler in settings.resolve_samplers()
    ]
    most = max(1, QUEUED_BATCHES * max_sequences // settings.responses_per_prompt)
    unfinished: dict[int, dict[int, Any]] = {}
    """By prompt: the outputs of its finished requests, by sampler."""
    added = 0
    try:
        while added < len(token_ids) or unfinished:
            while added < len(token_ids) and len(unfinished) < most:
                prompt = tokens_input(list(token_ids[added]))
                for number, sampler in enumerate(params, start=added * len(params)):
                    engine.add_request(str(number), prompt, sampler)
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
        # After an error the engine is free for another call.
        engine.abort_request(
            [
                str(number * len(params) + sampler)
                for number, finished in unfinished.items()
                for sampler in range(len(params))
                if sampler not in finished
            ]
        )
