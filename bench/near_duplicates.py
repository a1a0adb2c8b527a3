"""Near-duplicate removal against datasketch's MinHashLSH, on prompts with planted near duplicates.

Nine tenths of the prompts are real prompts (`--data`, if it exists) and texts made from their
sentences. The last tenth are copies of earlier prompts with one or two words changed. Ours is
`find_near_duplicates`. The peer is datasketch as in its documentation: the same shingles, the same
threshold, 128 permutations (its default). A prompt for which its index has a candidate is dropped;
any other is added to the index. Each side runs in its own process; they alternate.

Recall is the share of planted copies at or above the threshold that are dropped. Precision is the
share of dropped prompts whose similarity to their kept prompt reaches the threshold. Both are
computed from Python sets of shingles, independent of both sides. In a chain of copies, the last one
may be less similar to the kept one than the threshold. The last line is JSON. `ratio` is the peer's
seconds divided by ours (medians). `cpu_ratio` is the same for processor time, which depends less on
other programs.

    python bench/near_duplicates.py --prompts 200000
"""

import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from inputs import DATA, WORDS
from memory import peak_mib

from transforms.prompts.near_duplicates import find_near_duplicates
from transforms.prompts.shingles import fold_text
from transforms.settings.prompts import NearDuplicateSettings

SETTINGS = NearDuplicateSettings()

REAL = {
    "hh-rlhf/harmless-base_test.jsonl.gz": "chosen",
    "hh-rlhf/helpful-base_test.jsonl.gz": "chosen",
    "ultrafeedback/train_1000.jsonl.gz": "prompt",
    "prompts/code_alpaca_2k.json.gz": "instruction",
    "prompts/user_oriented_252.jsonl": "instruction",
    "alpaca_eval/baseline_gpt4_1106_preview_outputs.json.gz": "instruction",
    "arena_hard/question_v2.0.jsonl.gz": "prompt",
    "benchmarks/gsm8k_test.jsonl.gz": "question",
    "benchmarks/arc_challenge_test.jsonl.gz": "question",
}
"""Files in the folder of real data, and their column with a prompt or a conversation."""


def read_real(data: Path) -> list[str]:
    """Read the distinct real prompts of all existing files, without the last response."""
    texts: set[str] = set()
    for name, column in REAL.items():
        if (data / name).is_file():
            read = pl.read_json if ".json." in name else pl.read_ndjson
            rows = read(data / name)[column]
            texts |= {text.rsplit("\n\nAssistant:", 1)[0].strip() for text in rows}
    return sorted(texts)


def make_prompts(count: int, real: list[str]) -> tuple[pl.DataFrame, dict[str, str]]:
    """Make prompts (prompt_id, text), and map each planted copy to its original, by prompt_id."""
    draw = random.Random(0)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(4, 24))) for _ in range(2000)]
    sentences = [
        sentence
        for text in real or made
        for sentence in text.replace("\n", " ").split(". ")
        if 10 < len(sentence) < 300
    ]
    originals = count - count // 10
    texts = real[:originals]
    while len(texts) < originals:
        texts.append(". ".join(draw.choices(sentences, k=draw.randint(1, 8))))
    sources = [draw.randrange(originals) for _ in range(count - originals)]
    texts += [_reword(texts[source], draw) for source in sources]
    ids = [f"{number:08}" for number in range(count)]
    planted = zip(ids[originals:], (ids[source] for source in sources), strict=True)
    return pl.DataFrame({"prompt_id": ids, "text": texts}), dict(planted)


def _reword(text: str, draw: random.Random) -> str:
    words = text.split(" ")
    for _ in range(draw.randint(1, 2)):
        words[draw.randrange(len(words))] = draw.choice(["the", "please", "now", "really", ""])
    return " ".join(words)


def drop_ours(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop with `find_near_duplicates`; columns prompt_id, kept_id, and others."""
    return find_near_duplicates(prompts, SETTINGS)


def drop_peer(prompts: pl.DataFrame) -> pl.DataFrame:
    """Drop with datasketch; columns prompt_id, kept_id."""
    from datasketch import MinHash, MinHashLSH

    size = SETTINGS.shingle_chars
    texts = prompts.select(fold_text(pl.col("text"))).to_series()
    tokens = (
        [text[i : i + size].encode() for i in range(max(len(text) - size + 1, 1))] for text in texts
    )
    index = MinHashLSH(threshold=SETTINGS.threshold, num_perm=128)
    dropped = []
    for prompt_id, sketch in zip(
        prompts["prompt_id"], MinHash.generator(tokens, num_perm=128), strict=True
    ):
        if candidates := index.query(sketch):
            dropped.append((prompt_id, min(candidates)))
        else:
            index.insert(prompt_id, sketch)
    return pl.DataFrame(
        dropped, schema={"prompt_id": pl.String, "kept_id": pl.String}, orient="row"
    )


def measure(drop: Callable[[pl.DataFrame], pl.DataFrame], path: str) -> dict[str, object]:
    """Run one side in this process; return its time, peak memory and dropped prompts."""
    prompts = pl.read_parquet(path)
    drop(prompts.head(100))  # a warm-up, which loads libraries
    started, cpu_started = time.perf_counter(), time.process_time()
    dropped = drop(prompts)
    return {
        "elapsed_s": time.perf_counter() - started,
        "cpu_s": time.process_time() - cpu_started,
        "peak_mib": peak_mib(),
        "dropped": dropped.select("prompt_id", "kept_id").rows(),
    }


def judge(
    prompts: pl.DataFrame, planted: dict[str, str], dropped: list[tuple[str, str]]
) -> dict[str, float]:
    """Compute recall of the planted copies and precision of the dropped prompts, by Python sets."""
    folded_texts = prompts.select("prompt_id", fold_text(pl.col("text"))).rows()
    texts, size = dict(folded_texts), SETTINGS.shingle_chars

    def are_similar(one: str, other: str) -> bool:
        sets = [
            {text[i : i + size] for i in range(max(len(text) - size + 1, 1))}
            for text in (texts[one], texts[other])
        ]
        return len(sets[0] & sets[1]) >= SETTINGS.threshold * len(sets[0] | sets[1])

    copies = {copy for copy, original in planted.items() if are_similar(copy, original)}
    right = sum(are_similar(*pair) for pair in dropped)
    return {
        "planted": len(copies),
        "recall": round(len(copies & {prompt for prompt, _ in dropped}) / len(copies), 4),
        "dropped": len(dropped),
        "precision": round(right / len(dropped), 4),
    }


def main(
    prompts: Annotated[int, typer.Option(help="Prompts.")] = 200_000,
    repetitions: Annotated[int, typer.Option(help="Timed runs of each, alternating.")] = 3,
    data: Annotated[
        Path, typer.Option(help="Folder of real data; without it, texts are made up.")
    ] = DATA,
) -> None:
    """Compare near-duplicate removal with datasketch."""
    sides = {"ours": drop_ours, "datasketch": drop_peer}
    real = read_real(data)
    corpus, planted = make_prompts(prompts, real)
    runs: dict[str, list[dict[str, object]]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        corpus.write_parquet(f"{work}/prompts.parquet")
        for repetition in range(repetitions):
            # The order alternates.
            for name in list(sides)[:: -1 if repetition % 2 else 1]:
                spawn = multiprocessing.get_context("spawn")
                with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                    run = pool.submit(measure, sides[name], f"{work}/prompts.parquet")
                    runs[name].append(run.result())
    medians = {
        unit: {name: statistics.median(run[unit] for run in runs[name]) for name in sides}
        for unit in ("elapsed_s", "cpu_s")
    }
    result: dict[str, object] = {
        "bench": "near_duplicates",
        "ratio": round(medians["elapsed_s"]["datasketch"] / medians["elapsed_s"]["ours"], 2),
        "cpu_ratio": round(medians["cpu_s"]["datasketch"] / medians["cpu_s"]["ours"], 2),
        "prompts": prompts,
        "real_prompts": min(len(real), prompts - prompts // 10),
        "mean_chars": round(corpus["text"].str.len_chars().mean()),
    }
    for name in sides:
        judged = judge(corpus, planted, runs[name][0]["dropped"])
        result |= {f"{name}_{figure}": value for figure, value in judged.items()}
        for unit in ("elapsed_s", "cpu_s"):
            result[f"{name}_{unit}"] = [round(run[unit], 2) for run in runs[name]]
        result[f"{name}_peak_mib"] = max(run["peak_mib"] for run in runs[name])
        rate = prompts / medians["elapsed_s"][name]
        print(f"{name:11}{rate:10,.0f} prompts/s  {judged}")
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
