"""The sampler: one vLLM engine from start to end; responses become rows, committed in chunks.

Not here: starting and stopping vLLM (`training.engine.running_engine`), its request queue
(`training.engine.vllm_engine`), several engines
(`training.engine.replicas`), writing rows (the caller's `commit`).

Deviations from the published scripts (`gen_hf2.py`):
1. The chat template gives token ids; rendered text that is tokenized again has two BOS.
2. Prompts are written as soon as they are complete, with finish_reason, token count and settings.
"""

import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
from tqdm import tqdm

from training.engine.background_commits import BackgroundCommits
from training.engine.vllm_engine import (
    render_prompts,
    require_context,
    run_requests,
    start_engine,
)
from training.models.end_of_turn import find_end_of_turn
from training.models.rendering import load_tokenizer
from training.settings.sampling import ResolvedSampler, SamplingSettings

RESPONSE_SCHEMA = {
    "prompt_id": pl.String,
    "response_index": pl.Int32,
    "response": pl.String,
    "response_tokens": pl.Int32,
    "response_chars": pl.Int32,
    "finish_reason": pl.String,
    "temperature": pl.Float64,
    "top_p": pl.Float64,
}


@dataclass(frozen=True)
class GenerationRun:
    """Counts of a sampling run; `elapsed_s` covers sampling and commits, not the engine's start."""

    prompts: int
    responses: int
    response_tokens: int
    engine_start_s: float
    elapsed_s: float


class Sampler:
    """Context manager around one vLLM engine; its exit frees the engine and its memory.

    The engine has one seed for all requests, because `SamplingParams(seed=)` crashes vLLM's CPU
    build when a prompt is prefilled in parts ("CPU Generator does not use offset"). On a CPU, the
    same calls on a new engine with the same seed give the same responses. On a GPU they may differ,
    because vLLM may batch the requests differently.
    """

    def __init__(
        self, policy: Path, settings: SamplingSettings, *, seed: int, dtype: str, gpus: int = 1
    ) -> None:
        """Store the policy's folder and the settings; seed, dtype and GPUs of the engine."""
        self.policy, self.settings, self.seed, self.dtype = Path(policy), settings, seed, dtype
        self.gpus = gpus

    def __enter__(self) -> Self:
        """Load the policy.

        Raises:
            InputError: the folder is not a complete model with a chat template, sampling does not
                stop at the end of its turn, its context is shorter than max_context_tokens, or
                there are too few GPUs.
        """
        self.tokenizer = load_tokenizer(self.policy, pads=False)
        find_end_of_turn(self.tokenizer, self.policy)  # else responses would never end
        require_context(self.policy, self.settings.max_context_tokens)
        self._engine = start_engine(
            self.policy, self.settings, seed=self.seed, dtype=self.dtype, gpus=self.gpus
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Free the engine, its memory and vLLM's process groups."""
        self._engine.stop()

    def sample(
        self,
        prompts: pl.DataFrame,
        settings: SamplingSettings,
        *,
        commit: Callable[[pl.DataFrame], None],
        description: str = "generations",
    ) -> GenerationRun:
        """Sample n responses per prompt and commit them, `chunk_prompts` prompts at a time.

        Args:
            prompts: prompt_id, prompt (messages); one row per prompt.
            settings: samplers (all of this policy), n, temperature, top_p, max_tokens and
                chunk_prompts. The other settings were fixed when the engine started.
            commit: called in one background thread with complete prompts, in order of completion:
                prompt_id, response_index 0..n-1 over the samplers in their order, response,
                response_tokens (as sampled: with the end-of-turn token, if there is one),
                response_chars, finish_reason (stop | length), temperature, top_p, max_tokens, seed.
                An error in it is raised here.
            description: text of the progress bar.

        Raises:
            InputError: a prompt leaves no room for max_tokens in the engine's context. This is
                checked before anything is sampled.
        """
        token_ids = render_prompts(
            self.tokenizer, prompts, settings, context_tokens=self.settings.max_context_tokens
        )
        constants = {
            "max_tokens": pl.lit(settings.max_tokens, pl.Int32),
            "seed": pl.lit(self.seed, pl.Int64),
        }
        prompt_ids, started, tokens = prompts["prompt_id"].to_list(), time.perf_counter(), 0
        finished: list[tuple[str, list[Any]]] = []
        samplers = settings.resolve_samplers()

        def put_chunk() -> None:
            chunk = finished.copy()
            finished.clear()
            commits.put(
                lambda: _decode_rows(chunk, samplers, self.tokenizer).with_columns(**constants)
            )

        with (
            BackgroundCommits(commit) as commits,
            tqdm(total=prompts.height, desc=description, unit="prompt", disable=None) as bar,
        ):
            for number, requests in self.sample_tokens(token_ids, settings):
                finished.append((prompt_ids[number], requests))
                tokens += sum(len(one.token_ids) for request in requests for one in request.outputs)
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
            responses=prompts.height * settings.responses_per_prompt,
            response_tokens=tokens,
            engine_start_s=self._engine.start_s,
            elapsed_s=time.perf_counter() - started,
        )

    def sample_tokens(
        self, token_ids: list[array], settings: SamplingSettings, *, top_logprobs: int = 0
    ) -> Iterator[tuple[int, list[Any]]]:
        """Sample responses to rendered prompts (`training.engine.vllm_engine.run_requests`)."""
        return run_requests(
            self._engine.llm.llm_engine,
            token_ids,
            settings,
            self.settings.max_sequences,
            top_logprobs=top_logprobs,
        )

    def answer_requests(self, token_ids: Sequence[Sequence[int]], params: Any) -> list[Any]:
        """Sample with vLLM's own parameters; return the outputs in the order of the prompts.

        Args:
            token_ids: rendered prompts.
            params: vLLM's SamplingParams, one for all or one per prompt.

        Returns:
            vLLM's RequestOutputs.
        """
        from vllm import TokensPrompt

        prompts = [TokensPrompt(prompt_token_ids=list(ids)) for ids in token_ids]
        return self._engine.llm.generate(prompts, params, use_tqdm=False)


def _decode_rows(
    prompts: list[tuple[str, list[Any]]], samplers: Sequence[ResolvedSampler], tokenizer: Any
) -> pl.DataFrame:
    """Decode finished prompts to rows, one row per response."""
    first = list(accumulate((sampler.n for sampler in samplers[:-1]), initial=0))
    rows = [
        (prompt_id, start + response.index, response.finish_reason, response.token_ids, sampler)
        for prompt_id, requests in prompts
        for request, sampler, start in zip(requests, samplers, first, strict=True)
        for response in request.outputs
    ]
    # The last token of a stopped response is the end of turn, which is not part of the text.
    texts = tokenizer.batch_decode(
        [list(ids[:-1] if reason == "stop" else ids) for _, _, reason, ids, _ in rows],
        skip_special_tokens=True,
    )
    return pl.DataFrame(
        [
            (prompt_id, index, text, len(ids), len(text), reason, used.temperature, used.top_p)
            for (prompt_id, index, reason, ids, used), text in zip(rows, texts, strict=True)
        ],
        schema=RESPONSE_SCHEMA,
        orient="row",
    )
