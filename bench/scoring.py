"""Scoring stage, commits to Delta included, against one text at a time through the pipeline.

The peer is what the paper's published script does: transformers' text-classification pipeline over
the n responses of a prompt, batch size 1, no function applied to the logit. It gets the same token
ids (the template's text, whose one BOS the tokenizer reads back; asserted), and may get a random
part of the prompts (`--peer-prompts`): seconds a response are compared. The stage is
`training.scoring.score` with commits to the lake's table `scores`, over every row, read in frames.
Both score the same random Llama in float32; their rewards must agree to 1e-4.

Second row, `shared`: the key-value cache of what the n token lists of a prompt begin with is
computed once and repeated for the n continuations. It is compared with the stage's batches of whole
conversations, on the same rows, without commits on either side: `whole`. Each side runs in a
process of its own, in turns.

Real rows: 400 prompts with 16 samples each, taken as 800 prompts with 8, from the first one again
when they are used up. `dialogues` are the longest of HH-RLHF, each with its own answer and those of
the next seven.

The last line is JSON; `ratio` is the peer's seconds a response over the stage's (medians),
`cpu_ratio` the same for processor time, which other programs on the machine disturb less.

    python bench/scoring.py --prompts 2000 --peer-prompts 50
"""

import gzip
import json
import multiprocessing
import os
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import polars as pl
import torch
import typer
from transformers import AutoModelForSequenceClassification, DynamicCache, pipeline

from training.batches import by_length, pad_right
from training.initial_model import make_tiny_model
from training.rendering import conversation_token_ids, load_tokenizer
from training.scoring import score
from training.settings import ScoringSettings, TinyModelSettings
from transforms.ranking.responses import stamp
from transforms.tables.lake import Lake

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
SAMPLES = "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"
DIALOGUES = "hh-rlhf/helpful-base_test.jsonl.gz"
N = 8
FRAME_ROWS = 2048
"""Rows that the stage is given at a time."""

Measured = tuple[dict[tuple[str, int], float], int, float, float]
"""Rewards by prompt_id and response_index; responses; seconds; seconds of processor time."""


def read_lines(path: Path) -> list[dict]:
    """Read a gzipped file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_samples(data: Path, prompts: int) -> pl.DataFrame:
    """Arrange the real samples as `prompts` prompts with 8 responses each."""
    rows = read_lines(data / SAMPLES)
    groups = [
        (row["instruction"], row["responses"][start : start + N])
        for start in (0, N)
        for row in rows
    ]
    return as_rows([groups[i % len(groups)] for i in range(prompts)])


def read_dialogues(data: Path, prompts: int) -> pl.DataFrame:
    """Take the longest dialogues as prompts, each with its answer and those of the next seven."""
    rows = sorted(read_lines(data / DIALOGUES), key=lambda row: -len(row["chosen"]))
    parts = [row["chosen"].rpartition("\n\nAssistant:") for row in rows]
    parts = [(prompt, answer.strip()) for prompt, _, answer in parts if answer.strip()]
    return as_rows(
        [
            (prompt, [parts[(i + shift) % len(parts)][1] for shift in range(N)])
            for i, (prompt, _) in enumerate(parts[:prompts])
        ]
    )


def as_rows(groups: list[tuple[str, list[str]]]) -> pl.DataFrame:
    """One row a response: prompt_id, response_index, prompt, response."""
    return pl.DataFrame(
        {
            "prompt_id": [f"{i:05}" for i in range(len(groups)) for _ in range(N)],
            "response_index": pl.Series(list(range(N)) * len(groups), dtype=pl.Int32),
            "prompt": [[{"role": "user", "content": p}] for p, texts in groups for _ in texts],
            "response": [text for _, texts in groups for text in texts],
        }
    )


def timed(work: Callable[[], dict[tuple[str, int], float]]) -> Measured:
    """Run and measure."""
    started, cpu_started = time.perf_counter(), time.process_time()
    rewards = work()
    return rewards, len(rewards), time.perf_counter() - started, time.process_time() - cpu_started


def run_stage(model: Path, rows: Path, folder: Path) -> Measured:
    """Score frame by frame into the table `scores` of a new lake."""
    lake, settings = Lake(folder / "lake"), ScoringSettings()
    keys = {"experiment": "bench", "iteration": 1, "ranker": "reward_model", "ranker_id": "bench"}

    def work() -> dict[tuple[str, int], float]:
        score(
            pl.scan_parquet(rows).collect_batches(chunk_size=FRAME_ROWS, maintain_order=True),
            model,
            settings,
            dtype="float32",
            commit=lambda chunk: lake.append("scores", stamp(chunk, **keys)),
        )
        return {}

    _, _, elapsed_s, cpu_s = timed(work)
    scores = lake.read("scores").select("prompt_id", "response_index", "reward").rows()
    return (
        {(prompt, index): reward for prompt, index, reward in scores},
        len(scores),
        elapsed_s,
        cpu_s,
    )


def run_peer(model: Path, rows: Path, folder: Path) -> Measured:
    """Score prompt by prompt with the pipeline, one text at a time."""
    tokenizer = load_tokenizer(model)
    classify = pipeline("text-classification", model=str(model), device="cpu")
    frame = pl.read_parquet(rows)

    def work() -> dict[tuple[str, int], float]:
        rewards = {}
        for group in frame.iter_slices(N):
            texts = [
                tokenizer.apply_chat_template(
                    [*prompt, {"role": "assistant", "content": response}], tokenize=False
                )
                for prompt, response in group.select("prompt", "response").iter_rows()
            ]
            outputs = classify(
                texts, top_k=None, function_to_apply="none", batch_size=1, truncation=True
            )
            keys = group.select("prompt_id", "response_index").rows()
            rewards |= {key: output[0]["score"] for key, output in zip(keys, outputs, strict=True)}
        return rewards

    ours = conversation_token_ids(tokenizer, frame["prompt"][:N].to_list(), frame["response"][:N])
    texts = tokenizer.batch_decode(ours)
    assert tokenizer(texts)["input_ids"] == ours
    return timed(work)


def common_prefix(token_ids: list[list[int]]) -> int:
    """Tokens that all lists begin with; at least one of every list is left."""
    length = min(map(len, token_ids)) - 1
    for position in range(length):
        if len({row[position] for row in token_ids}) > 1:
            return position
    return length


def run_shared(model: Path, rows: Path, folder: Path) -> Measured:
    """Compute what the n conversations of a prompt begin with once."""
    return _run_forward(model, rows, share=True)


def run_whole(model: Path, rows: Path, folder: Path) -> Measured:
    """Compute whole conversations in batches by length, as the stage does."""
    return _run_forward(model, rows, share=False)


def _run_forward(folder: Path, rows: Path, *, share: bool) -> Measured:
    tokenizer = load_tokenizer(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    frame = pl.read_parquet(rows)
    token_ids = conversation_token_ids(tokenizer, frame["prompt"].to_list(), frame["response"])
    keys = frame.select("prompt_id", "response_index").rows()

    @torch.inference_mode()
    def work() -> dict[tuple[str, int], float]:
        rewards = {}
        batches = (
            (list(range(start, start + N)) for start in range(0, len(keys), N))
            if share
            else by_length(token_ids, ScoringSettings().batch_tokens)
        )
        for batch in batches:
            lists, cache = [token_ids[row] for row in batch], None
            if share:
                prefix = common_prefix(lists)
                cache = DynamicCache(config=model.config)
                model.base_model(input_ids=torch.tensor([lists[0][:prefix]]), past_key_values=cache)
                cache.batch_repeat_interleave(N)
                lists = [row[prefix:] for row in lists]
            inputs, mask = pad_right(lists, model.config.pad_token_id, model.device)
            hidden = model.base_model(
                input_ids=inputs, past_key_values=cache, use_cache=share
            ).last_hidden_state
            last = hidden[torch.arange(len(lists)), mask.sum(dim=1) - 1]
            found = model.score(last)[:, 0].tolist()
            rewards |= {keys[row]: reward for row, reward in zip(batch, found, strict=True)}
        return rewards

    return timed(work)


SIDES = {"stage": run_stage, "peer": run_peer, "shared": run_shared, "whole": run_whole}


def run_side(side: str, model: Path, rows: Path, threads: int) -> tuple[Measured, int]:
    """Measure a side in this process; add its largest resident memory, MiB."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        measured = SIDES[side](model, rows, Path(folder))
    return measured, round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def main(
    prompts: Annotated[int, typer.Option(help="Prompts of the stage, 8 responses each.")] = 2000,
    peer_prompts: Annotated[int, typer.Option(help="Prompts of the peer: a random part.")] = 100,
    shared_prompts: Annotated[int, typer.Option(help="Prompts of shared and whole.")] = 100,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each, alternating.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of torch in each process.")] = 2,
    hidden_size: Annotated[int, typer.Option(help="Width of the model.")] = 64,
    layers: Annotated[int, typer.Option(help="Layers of the model.")] = 2,
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Measure the scoring stage beside the pipeline, and what sharing a prompt would add."""
    samples, dialogues = read_samples(data, prompts), read_dialogues(data, shared_prompts)
    drawn = random.Random(0).sample(samples["prompt_id"].unique().sort().to_list(), peer_prompts)
    part = samples.filter(pl.col("prompt_id").is_in(drawn))
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = Path(work)
        model = folder / "reward_model"
        tiny = TinyModelSettings(
            tokenizer="byte_bpe",
            vocab_size=8192,
            hidden_size=hidden_size,
            intermediate_size=2 * hidden_size,
            layers=layers,
            heads=hidden_size // 64,
            context_tokens=4096,
        )
        texts = samples["prompt"].to_list() + [
            [{"role": "assistant", "content": text}] for text in samples["response"].unique()
        ]
        make_tiny_model(tiny, texts, model, seed=0)
        torch.manual_seed(0)
        AutoModelForSequenceClassification.from_pretrained(model, num_labels=1).save_pretrained(
            model
        )
        frames = {
            "all": samples,
            "part": part,
            "samples": part.head(N * shared_prompts),
            "dialogues": dialogues,
        }
        for name, frame in frames.items():
            frame.write_parquet(folder / f"{name}.parquet")
        runs = [
            ("stage", "all"),
            ("peer", "part"),
            ("whole", "samples"),
            ("shared", "samples"),
            ("whole", "dialogues"),
            ("shared", "dialogues"),
        ]
        ms: dict[str, list[float]] = {f"{side} {rows}": [] for side, rows in runs}
        cpu_ms: dict[str, list[float]] = {name: [] for name in ms}
        memory: dict[str, int] = {}
        rewards: dict[str, dict[tuple[str, int], float]] = {}
        for repetition in range(repetitions):
            # whoever goes first changes every time
            for side, rows in runs if repetition % 2 == 0 else runs[::-1]:
                context = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    (found, count, elapsed_s, cpu_s), peak = pool.submit(
                        run_side, side, model, folder / f"{rows}.parquet", threads
                    ).result()
                name = f"{side} {rows}"
                ms[name].append(round(1e3 * elapsed_s / count, 3))
                cpu_ms[name].append(round(1e3 * cpu_s / count, 3))
                memory[name], rewards[name] = peak, found
                print(f"{name:18}{ms[name][-1]:9.3f} ms a response, {cpu_ms[name][-1]:.3f} of"
                      f" processor time, peak {peak} MiB", flush=True)  # fmt: skip
    difference = {
        f"{ours} - {other}": max(
            abs(rewards[ours][key] - reward) for key, reward in rewards[other].items()
        )
        for ours, other in (
            ("stage all", "peer part"),
            ("stage all", "shared samples"),
            ("whole dialogues", "shared dialogues"),
        )
    }
    assert max(difference.values()) < 1e-4, difference
    median = {name: statistics.median(values) for name, values in ms.items()}
    cpu_median = {name: statistics.median(values) for name, values in cpu_ms.items()}
    result = {
        "bench": "scoring",
        "ratio": round(median["peer part"] / median["stage all"], 3),
        "cpu_ratio": round(cpu_median["peer part"] / cpu_median["stage all"], 3),
        **{
            f"shared_{kind}_{rows}": round(figures[f"whole {rows}"] / figures[f"shared {rows}"], 3)
            for rows in ("samples", "dialogues")
            for kind, figures in (("ratio", median), ("cpu_ratio", cpu_median))
        },
        "ms": ms,
        "cpu_ms": cpu_ms,
        "peak_mib": memory,
        "largest_difference": difference,
        "rows": {name: frame.height for name, frame in frames.items()},
        "model": {"hidden_size": hidden_size, "layers": layers},
        "threads": threads,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
