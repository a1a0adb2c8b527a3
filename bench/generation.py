"""Generation stage with commits to Delta, against bare vLLM on the same prompts and settings.

Bare vLLM is `LLM.generate` on all prompts at once, with texts in memory. The stage is
`training.engine.sampler.Sampler.sample` with commits to the lake's table `generations`. Both use
the same engine, are warmed up once, and alternate, so that other load on the machine affects both.
Without `--model`, the model is a random one of about a million weights with made-up prompts, whose
tokens are so cheap that the cost of everything else shows; a given model gets prompts of
UltraFeedback. The last line is JSON. `ratio` is the stage's tokens/s divided by bare vLLM's
(medians). `cpu_ratio` is the same for tokens per second of processor time, which depends less on
other programs. `commits_ratio` compares the stage with itself when its chunks are kept in memory.

    python bench/generation.py --prompts 512 --n 8 --max-tokens 64
    python bench/generation.py --prompts 32 --max-tokens 128 --model MODEL --dtype bfloat16
"""

import json
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from inputs import DATA, WORDS
from memory import peak_mib
from real_model import describe_model
from real_pairs import read_prompts

from training.engine.sampler import Sampler
from training.models.initial_model import make_tiny_model
from training.models.rendering import tokenize_prompts
from training.settings.model import TinyModelSettings
from training.settings.sampling import SamplingSettings
from transforms.identity import identify_messages
from transforms.lake.lake import Lake
from transforms.pairs.responses import Keys, make_sampling_id
from transforms.pairs.sampler_places import Draw


def make_prompts(count: int) -> pl.DataFrame:
    """Make random prompts of 4 to 24 words; columns prompt_id, prompt."""
    draw = random.Random(0)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(4, 24))) + f" {i}" for i in range(count)]
    return identify_prompts(texts)


def identify_prompts(texts: list[str]) -> pl.DataFrame:
    """Make prompts of texts; columns prompt_id, prompt."""
    prompts = pl.DataFrame({"prompt": [[{"role": "user", "content": text}] for text in texts]})
    return prompts.select(identify_messages("prompt").alias("prompt_id"), "prompt")


def run_bare(
    sampler: Sampler, prompts: pl.DataFrame, settings: SamplingSettings
) -> tuple[int, float]:
    """Sample with `LLM.generate` only; return tokens and seconds."""
    from vllm import SamplingParams

    params = SamplingParams(
        n=settings.n, temperature=settings.temperature, max_tokens=settings.max_tokens
    )
    started = time.perf_counter()
    rendered = tokenize_prompts(sampler.tokenizer, prompts["prompt"].to_list())
    outputs = sampler.answer_requests(rendered, params)
    texts = [(r.text, len(r.token_ids)) for output in outputs for r in output.outputs]
    return sum(tokens for _, tokens in texts), time.perf_counter() - started


def run_stage(
    sampler: Sampler, prompts: pl.DataFrame, settings: SamplingSettings, lake: Lake
) -> tuple[int, float]:
    """Sample with the stage into the table `generations` of a new lake; return tokens, seconds."""
    keys = Keys(
        "bench",
        1,
        policy_id="bench",
        sampling_id=make_sampling_id(settings.model_dump(), seed=0),
        draws=[Draw(0, "current", 0, settings.n, settings.temperature, settings.top_p)],
        n=settings.n,
    )

    def commit(chunk: pl.DataFrame) -> None:
        lake.append("generations", keys.add_to(chunk))

    run = sampler.sample(prompts, settings, commit=commit)
    assert lake.read("generations").height == prompts.height * settings.n
    return run.response_tokens, run.elapsed_s


def run_uncommitted(
    sampler: Sampler, prompts: pl.DataFrame, settings: SamplingSettings
) -> tuple[int, float]:
    """Sample with the stage, but keep its chunks in memory, to measure the cost of commits."""
    chunks: list[pl.DataFrame] = []
    run = sampler.sample(prompts, settings, commit=chunks.append)
    return run.response_tokens, run.elapsed_s


def main(
    prompts: Annotated[int, typer.Option(help="Prompts.")] = 256,
    n: Annotated[int, typer.Option(help="Responses per prompt.")] = 8,
    max_tokens: Annotated[int, typer.Option(help="Most tokens of a response.")] = 32,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each, alternating.")] = 4,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a model; else a random one of 1M weights.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "float32",
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Compare the stage with bare vLLM."""
    if model is None:
        frame, prompt_tokens = make_prompts(prompts), 64
    else:
        frame, prompt_tokens = identify_prompts(read_prompts(data, prompts)), 256
    settings = SamplingSettings(
        n=n, max_tokens=max_tokens, max_context_tokens=max_tokens + prompt_tokens
    )
    names = ["bare", "stage", "uncommitted"]
    rates: dict[str, list[float]] = {name: [] for name in names}
    cpu_rates: dict[str, list[float]] = {name: [] for name in names}
    memory: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        if model is None:
            model = Path(work) / "policy"
            tiny = TinyModelSettings(context_tokens=settings.max_context_tokens)
            make_tiny_model(tiny, frame["prompt"].to_list(), model, seed=0)
        described = describe_model(model)
        with Sampler(model, settings, seed=0, dtype=dtype) as sampler:
            for repetition in range(-1, repetitions):
                # Repetition -1 is a warm-up. The order alternates.
                for name in names if repetition % 2 else names[::-1]:
                    cpu_started = time.process_time()
                    if name == "bare":
                        tokens, elapsed_s = run_bare(sampler, frame, settings)
                    elif name == "uncommitted":
                        tokens, elapsed_s = run_uncommitted(sampler, frame, settings)
                    else:
                        lake = Lake(f"{work}/lake{repetition}")
                        tokens, elapsed_s = run_stage(sampler, frame, settings, lake)
                    cpu_s = time.process_time() - cpu_started
                    if repetition < 0:
                        memory[f"peak_mib_after_{name}_warmup"] = round(peak_mib())
                        continue
                    rates[name].append(round(tokens / elapsed_s))
                    cpu_rates[name].append(round(tokens / cpu_s))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    cpu_medians = {name: statistics.median(values) for name, values in cpu_rates.items()}
    print(f"{'':13}{'median':>10}  tokens/s of each repetition")
    for name, values in rates.items():
        print(f"{name:13}{medians[name]:10,.0f}  {', '.join(f'{value:,}' for value in values)}")
    result = {
        "bench": "generation",
        "ratio": round(medians["stage"] / medians["bare"], 4),
        "cpu_ratio": round(cpu_medians["stage"] / cpu_medians["bare"], 4),
        "commits_ratio": round(medians["stage"] / medians["uncommitted"], 4),
        "commits_cpu_ratio": round(cpu_medians["stage"] / cpu_medians["uncommitted"], 4),
        "stage_tokens_per_s": rates["stage"],
        "bare_tokens_per_s": rates["bare"],
        "uncommitted_tokens_per_s": rates["uncommitted"],
        "stage_tokens_per_cpu_s": cpu_rates["stage"],
        "bare_tokens_per_cpu_s": cpu_rates["bare"],
        "uncommitted_tokens_per_cpu_s": cpu_rates["uncommitted"],
        "prompts": prompts,
        "n": n,
        "max_tokens": max_tokens,
        "dtype": dtype,
        "model": described,
        "peak_mib": round(peak_mib()),
        **memory,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
