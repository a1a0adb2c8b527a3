"""Contamination of real prompts by real benchmark items: what each length of n-gram finds.

Prompts are those of HH-RLHF's test files, UltraFeedback, Code Alpaca, OASST (Chinese) and others;
items are those of ten benchmarks. Prints, per benchmark, how its items are searched for, and the
prompts with a long item (any n words) and with a short one (the whole item inside); then how many
of the items are found when a prompt has them in a frame: as `Question: ...`, with choices, inside a
longer text, and with the middle word changed. `--spans FILE` writes the shared words, to be read.

    python -m bench.real.contamination
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from bench.inputs import DATA
from bench.real.refusals import read_values
from transforms.prompts.decontamination import count_searches, find_contaminated
from transforms.prompts.evaluation_texts import read_evaluation_sets
from transforms.settings.prompts import DecontaminationSettings
from transforms.settings.sources import OriginSettings

SETS = {
    "alpaca_eval": "alpaca_eval/baseline_gpt4_1106_preview_outputs.json.gz",
    "mt_bench": "mt_bench/question.jsonl",
    "arena_hard": "arena_hard/question_v0.1.jsonl",
    "arena_hard_v2": "arena_hard/question_v2.0.jsonl.gz",
    "gsm8k": "benchmarks/gsm8k_test.jsonl.gz",
    "mmlu": "benchmarks/mmlu.zip",
    "humaneval": "benchmarks/HumanEval.jsonl.gz",
    "truthfulqa": "benchmarks/TruthfulQA.csv.gz",
    "arc_challenge": "benchmarks/arc_challenge_test.jsonl.gz",
    "mbpp": "benchmarks/mbpp.jsonl.gz",
}
INSTRUCTIONS = ("prompts/code_alpaca_2k.json.gz", "n_responses/oasst_rm_zh_ranked.json.gz")
WIZARDLM = "prompts/wizardlm_testset_218.jsonl"
SELF_INSTRUCT = "prompts/user_oriented_252.jsonl"
FRAMED_ITEMS = 2_000
FRAMES = {
    "item alone": "{}",
    "Question: item": "Question: {}",
    "with choices": "{}\nA. yes\nB. no\nC. both\nD. neither\nAnswer:",
    "in a longer text": "I have a test tomorrow, so please help me. {} Say why in one sentence.",
}


def read_prompts() -> Iterator[str]:
    """Read the texts of the prompts; turns are joined by line ends."""
    for part in ("helpful", "harmless"):
        for row in read_values(DATA / f"hh-rlhf/{part}-base_test.jsonl.gz"):
            turns = row["chosen"].rpartition("\n\nAssistant:")[0]
            yield turns.replace("\n\nAssistant:", "\n").replace("\n\nHuman:", "\n").strip()
    for row in read_values(DATA / "ultrafeedback/train_1000.jsonl.gz"):
        yield row["prompt"]
    for row in next(read_values(DATA / "pairs/dpo_en_demo.json.gz")):
        yield "\n".join(turn["value"] for turn in row["conversations"])
    for row in next(read_values(DATA / "pairs/kto_en_demo.json.gz")):
        yield "\n".join(turn["content"] for turn in row["messages"][:-1])
    for file in INSTRUCTIONS:
        for row in next(read_values(DATA / file)):
            yield f"{row['instruction']}\n{row['input']}"
    for row in read_values(DATA / WIZARDLM):
        yield row["Instruction"]
    for row in read_values(DATA / SELF_INSTRUCT):
        yield f"{row['instruction']}\n{row['instances'][0]['input']}"


def name_texts(texts: pl.Series) -> pl.DataFrame:
    """Return texts as prompts: prompt_id, text."""
    return pl.DataFrame({"text": texts}).select(
        pl.format("p{}", pl.int_range(pl.len())).alias("prompt_id"), "text"
    )


def count_found(items: pl.DataFrame, texts: list[str], settings: DecontaminationSettings) -> float:
    """Return the share of items that are found in the prompts made of them."""
    found = find_contaminated(name_texts(pl.Series(texts)), items, settings)
    return found["prompt_id"].n_unique() / items.height


def change_middle_word(text: str) -> str:
    """Change the word in the middle of a text."""
    words = text.split()
    words[len(words) // 2] = "changed"
    return " ".join(words)


def main(spans: Annotated[Path | None, typer.Option()] = None) -> None:
    """Print the figures for n = 13 and n = 8."""
    items = pl.concat(
        read_evaluation_sets({name: OriginSettings(files=(str(DATA / file),))})
        for name, file in SETS.items()
    )
    framed = items.sample(FRAMED_ITEMS, seed=0)
    sample = framed["text"].to_list()
    prompts = name_texts(pl.Series(read_prompts()).unique(maintain_order=True))
    print(f"{prompts.height} prompts, {prompts['text'].str.len_chars().sum()} characters")
    for n in (13, 8):
        settings = DecontaminationSettings(ngram_words=n)
        started = time.process_time()
        found = find_contaminated(prompts, items, settings)
        print(f"n = {n}: {time.process_time() - started:.1f} s of processor time")
        length = pl.col("span").str.count_matches(" ") + 1
        by_set = found.group_by("evaluation_set").agg(
            long=pl.col("prompt_id").filter(length >= n).n_unique(),
            short=pl.col("prompt_id").filter(length < n).n_unique(),
        )
        table = count_searches(items, settings).join(by_set, on="evaluation_set", how="left")
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=120):
            print(table.fill_null(0))
        print(f"prompts found: {found['prompt_id'].n_unique()}")
        asked = {
            **{name: [frame.format(text) for text in sample] for name, frame in FRAMES.items()},
            "one word changed": [change_middle_word(text) for text in sample],
        }
        shares = {name: count_found(framed, texts, settings) for name, texts in asked.items()}
        print(", ".join(f"{name} {share:.1%}" for name, share in shares.items()))
        if spans:
            found.write_csv(spans.with_stem(f"{spans.stem}_{n}"))


if __name__ == "__main__":
    typer.run(main)
