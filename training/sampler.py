"""The sampler: one vLLM engine, fed without a pause, its responses committed in chunks meanwhile.

Lives here: the engine, its requests, the rows of a response. Not here: several engines
(`training.replicas`), where rows are written (the caller's `commit`).

Deviations from the published scripts (`gen_hf2.py`):
1. Prompts are token ids of the chat template; templated text, tokenized again, has two BOS.
2. Complete prompts are written as they finish, with finish_reason, token count and settings.
"""

import os
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import torch
from tqdm import tqdm

from training.commits import BackgroundCommits
from training.rendering import load_tokenizer, prompt_token_ids
from training.settings import SamplingSettings
from transforms.errors import InputError

RENDERED_AT_ONCE = 1024
"""Prompts given to the tokenizer in one call."""
QUEUED_BATCHES = 8
"""Sequences in the engine, in units of max_sequences: the batch stays full, memory stays flat."""

RESPONSE_SCHEMA = {
    "prompt_id": pl.String,
    "response_index": pl.Int32,
    "response": pl.String,
    "response_tokens": pl.Int32,
    "response_chars": pl.Int32,
    "finish_reason": pl.String,
}


@dataclass(frozen=True)
class GenerationRun:
    """What a sampling run did; `elapsed_s` is sampling and commits, without the engine's start."""

    prompts: int
    responses: int
    response_tokens: int
    engine_start_s: float
    elapsed_s: float


class Sampler:
    """Context manager around one vLLM engine; leaving frees it and its memory.

    The seed is the engine's: `SamplingParams(seed=)` crashes vLLM's CPU build when a prompt is
    prefilled in parts ("CPU Generator does not use offset"). The same calls on a new engine with
    the same seed give the same responses in-process (on a CPU); on a GPU scheduling may differ.
    """

    def __init__(self, policy: Path, settings: SamplingSettings, *, seed: int, dtype: str) -> None:
        """Name the policy's folder, the engine's settings, its seed and its dtype."""
        self.policy, self.settings, self.seed, self.dtype = Path(policy), settings, seed, dtype

    def __enter__(self) -> Self:
        """Load the policy.

        Raises:
            InputError: the folder is not a complete model with a chat template.
        """
        self.tokenizer = load_tokenizer(self.policy)
        started = time.perf_counter()
        self._set_num_threads = torch.set_num_threads
        self.llm = _start_engine(self.policy, self.settings, seed=self.seed, dtype=self.dtype)
        self.engine_start_s = time.perf_counter() - started
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the engine, its memory and vLLM's process groups."""
        from vllm.distributed import cleanup_dist_env_and_memory

        self.llm.llm_engine.engine_core.shutdown()
        del self.llm
        cleanup_dist_env_and_memory()
        # vLLM's CPU worker replaces this function of torch by one that does nothing.
        torch.set_num_threads = self._set_num_threads

    def sample(
        self,
        prompts: pl.DataFrame,
        settings: SamplingSettings,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str = "generations",
    ) -> GenerationRun:
        """Draw `settings.n` responses a prompt and commit them, `chunk_prompts` prompts at a time.

        Args:
            prompts: prompt_id, prompt (messages); one row a prompt.
            settings: n, temperature, top_p, max_tokens and chunk_prompts of this call; the rest is
                the engine's.
            commit: called in one background thread with complete prompts, in order of completion:
                prompt_id, response_index 0..n-1, response, response_tokens (as sampled: with the
                end-of-turn token, if there is one), response_chars, finish_reason (stop | length),
                temperature, top_p, max_tokens, seed. Its error is raised here.
            description: what the progress bar says.

        Raises:
            InputError: a prompt leaves no room for max_tokens in the engine's context; nothing has
                been sampled then.
        """
        token_ids = render_prompts(
            self.tokenizer, prompts, settings, context_tokens=self.settings.max_context_tokens
        )
        constants = {
            "temperature": pl.lit(settings.temperature, pl.Float64),
            "top_p": pl.lit(settings.top_p, pl.Float64),
            "max_tokens": pl.lit(settings.max_tokens, pl.Int32),
            "seed": pl.lit(self.seed, pl.Int64),
        }
        prompt_ids, started, tokens = prompts["prompt_id"].to_list(), time.perf_counter(), 0
        finished: list[Any] = []

        def put_chunk() -> None:
            chunk = finished.copy()
            finished.clear()
            commits.put(lambda: _rows(chunk, prompt_ids, self.tokenizer).with_columns(**constants))

        with (
            BackgroundCommits(commit) as commits,
            tqdm(total=prompts.height, desc=description, unit="prompt", disable=None) as bar,
        ):
            for output in self._finished_requests(token_ids, settings):
                finished.append(output)
                tokens += sum(len(response.token_ids) for response in output.outputs)
                bar.set_postfix_str(
                    f"{tokens / (time.perf_counter() - started):,.0f} tokens/s", refresh=False
                )
                bar.update()
                if len(finished) == settings.chunk_prompts:
                    put_chunk()
            if finished:
                put_chunk()
        return GenerationRun(
            prompts=prompts.height,
            responses=prompts.height * settings.n,
            response_tokens=tokens,
            engine_start_s=self.engine_start_s,
            elapsed_s=time.perf_counter() - started,
        )

    def _finished_requests(
        self, token_ids: list[array], settings: SamplingSettings
    ) -> Iterator[Any]:
        """Feed the engine so that it never waits for a chunk, and yield requests as they finish.

        `LLM.generate` a chunk would let the batch run empty at the end of every chunk.
        """
        from vllm import SamplingParams
        from vllm.inputs.engine import tokens_input
        from vllm.sampling_params import RequestOutputKind

        engine = self.llm.llm_engine
        params = SamplingParams(
            n=settings.n,
            temperature=settings.temperature,
            top_p=settings.top_p,
            max_tokens=settings.max_tokens,
            output_kind=RequestOutputKind.FINAL_ONLY,
            detokenize=False,  # a chunk is decoded at once, in the commits' thread
        )
        most = max(1, QUEUED_BATCHES * self.settings.max_sequences // settings.n)
        unfinished: set[str] = set()
        added = 0
        try:
            while added < len(token_ids) or unfinished:
                while added < len(token_ids) and len(unfinished) < most:
                    prompt = tokens_input(list(token_ids[added]))
                    engine.add_request(str(added), prompt, params)
                    unfinished.add(str(added))
                    added += 1
                for output in engine.step():
                    if output.finished:
                        unfinished.remove(output.request_id)
                        yield output
        finally:
            # After an error the engine is free for another call.
            engine.abort_request(list(unfinished))


def render_prompts(
    tokenizer: Any, prompts: pl.DataFrame, settings: SamplingSettings, *, context_tokens: int
) -> list[array]:
    """Render every prompt to token ids, 4 bytes a token, and refuse those that leave no room.

    Raises:
        InputError: a prompt and max_tokens do not fit into `context_tokens`; it is named.
    """
    limit = context_tokens - settings.max_tokens
    rendered: list[array] = []
    for chunk in prompts.iter_slices(RENDERED_AT_ONCE):
        for prompt_id, token_ids in zip(
            chunk["prompt_id"], prompt_token_ids(tokenizer, chunk["prompt"].to_list()), strict=True
        ):
            if len(token_ids) > limit:
                raise InputError(
                    f"prompt {prompt_id} is too long to be answered",
                    expected=f"at most {limit} tokens (max_context_tokens {context_tokens}"
                    f" - max_tokens {settings.max_tokens})",
                    found=f"{len(token_ids)} tokens",
                    remedy="raise sampling.max_context_tokens, lower sampling.max_tokens, or drop"
                    " the prompt",
                )
            rendered.append(array("i", token_ids))
    return rendered


def _start_engine(policy: Path, settings: SamplingSettings, *, seed: int, dtype: str) -> Any:
    """Start vLLM; what it reads from the environment is set before it is imported."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    on_gpu = torch.cuda.is_available()
    if not on_gpu:
        # A second process would compete for the same cores; in-process scheduling is repeatable.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(settings.cpu_kv_cache_gib)
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


def _rows(outputs: list[Any], prompt_ids: list[str], tokenizer: Any) -> pl.DataFrame:
    """Lay finished requests out as rows, one a response, and decode their texts."""
    rows = [
        (
            prompt_ids[int(output.request_id)],
            response.index,
            response.finish_reason,
            response.token_ids,
        )
        for output in outputs
        for response in output.outputs
    ]
    # The last token of a stopped response is the end of turn, which is no text.
    texts = tokenizer.batch_decode(
        [list(ids[:-1] if reason == "stop" else ids) for _, _, reason, ids in rows],
        skip_special_tokens=True,
    )
    return pl.DataFrame(
        [
            (prompt_id, index, text, len(ids), len(text), reason)
            for (prompt_id, index, reason, ids), text in zip(rows, texts, strict=True)
        ],
        schema=RESPONSE_SCHEMA,
        orient="row",
    )
