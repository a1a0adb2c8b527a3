"""The sides of `bench/scoring.py`: the stage with each engine, the pipeline, only the forward pass.

Each side runs in its own process. Models and tokenizers are loaded before the clocks start,
and freed after they stop.
"""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from memory import peak_mib
from transformers import pipeline

from training.models.rendering import load_tokenizer, tokenize_conversations
from training.models.rewards import compute_rewards, load_reward_model
from training.scoring import score
from training.settings.scoring import ScoringSettings
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake

N = 8
"""Responses per prompt."""
FRAME_ROWS = 2048
"""Rows per frame for the stage."""

Rewards = dict[tuple[str, int], float]
"""By prompt_id and response_index."""


class Cost(NamedTuple):
    """Seconds, processor seconds of all threads, and the largest resident memory so far."""

    elapsed_s: float
    cpu_s: float
    peak_mib: int


class Measured(NamedTuple):
    """Rewards of a side, tokens without padding, and its time and memory."""

    rewards: Rewards
    tokens: int
    elapsed_s: float
    cpu_s: float
    peak_mib: int


class Clocks:
    """Clocks of wall time and processor time of this process."""

    def start(self) -> None:
        """Start the clocks."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> Cost:
        """Read the clocks and the memory."""
        return Cost(time.perf_counter() - self._wall, time.process_time() - self._cpu, peak_mib())


def run_stage(
    model: Path, rows: Path, dtype: str, clocks: Clocks, settings: ScoringSettings
) -> tuple[Rewards, Cost]:
    """Score frame by frame into the table `scores` of a new lake."""
    ids = dict.fromkeys(("ranker_id", "ranking_id", "policy_id", "sampling_id"), "bench")
    keys = {"experiment": "bench", "iteration": 1, "ranker": "reward_model"} | ids

    def frames() -> Iterator[pl.DataFrame]:
        clocks.start()  # the first frame is read after the model is loaded
        yield from pl.scan_parquet(rows).collect_batches(chunk_size=FRAME_ROWS, maintain_order=True)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        lake = Lake(Path(folder) / "lake")
        costs: list[Cost] = []

        def commit(chunk: pl.DataFrame) -> None:
            lake.append("scores", add_keys(chunk, **keys))
            costs.append(clocks.read())  # the last one counts: freeing the model is not measured

        score(frames(), model, settings, dtype=dtype, commit=commit)
        scores = lake.read("scores").select("prompt_id", "response_index", "reward").rows()
    return {(prompt, index): reward for prompt, index, reward in scores}, costs[-1]


def run_peer(model: Path, rows: Path, dtype: str, clocks: Clocks) -> tuple[Rewards, Cost]:
    """Score prompt by prompt with the pipeline, one text at a time."""
    tokenizer = load_tokenizer(model)
    classify = pipeline(
        "text-classification", model=str(model), device="cpu", dtype=getattr(torch, dtype)
    )
    frame = pl.read_parquet(rows)

    def score_group(group: pl.DataFrame) -> list[float]:
        texts = [
            tokenizer.apply_chat_template(
                [*prompt, {"role": "assistant", "content": response}], tokenize=False
            )
            for prompt, response in group.select("prompt", "response").iter_rows()
        ]
        outputs = classify(
            texts, top_k=None, function_to_apply="none", batch_size=1, truncation=True
        )
        return [output[0]["score"] for output in outputs]

    ours = tokenize_conversations(tokenizer, frame["prompt"][:N].to_list(), frame["response"][:N])
    assert tokenizer(tokenizer.batch_decode(ours))["input_ids"] == ours
    score_group(frame[:N])  # the first call prepares what later ones reuse
    clocks.start()
    rewards: Rewards = {}
    for group in frame.iter_slices(N):
        keys = group.select("prompt_id", "response_index").rows()
        rewards |= dict(zip(keys, score_group(group), strict=True))
    return rewards, clocks.read()


def run_forward(model: Path, rows: Path, dtype: str, clocks: Clocks) -> tuple[Rewards, Cost]:
    """Compute rewards of token ids that were computed before, without commits."""
    frame = pl.read_parquet(rows)
    token_ids = tokenize_conversations(
        load_tokenizer(model), frame["prompt"].to_list(), frame["response"].to_list()
    )
    loaded = load_reward_model(model, dtype)
    clocks.start()
    prompts = frame["prompt_id"].to_list()
    found = compute_rewards(loaded, token_ids, ScoringSettings().batch_tokens, prompts)
    cost = clocks.read()
    keys = frame.select("prompt_id", "response_index").rows()
    return dict(zip(keys, found, strict=True)), cost


SIDES = {
    "stage": partial(run_stage, settings=ScoringSettings()),
    "vllm": partial(run_stage, settings=ScoringSettings(engine="vllm")),
    "peer": run_peer,
    "forward": run_forward,
}


def run_side(side: str, model: Path, rows: Path, dtype: str, threads: int) -> Measured:
    """Measure a side in this process."""
    torch.set_num_threads(threads)
    rewards, cost = SIDES[side](model, rows, dtype, Clocks())
    frame = pl.read_parquet(rows)
    token_ids = tokenize_conversations(
        load_tokenizer(model), frame["prompt"].to_list(), frame["response"].to_list()
    )
    return Measured(rewards, sum(map(len, token_ids)), *cost)
