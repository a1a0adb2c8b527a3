"""Refusals on real responses: precision and recall against labels read by hand.

`refusal_labels.csv` has the first 16 digits of the SHA-256 of a response, and whether it declines:
nothing of what was asked is in it. It has every response of these files that the rule finds, every
one that opens with a usual phrase of refusal ("I'm sorry", "As an AI"; of Tulu's the first 108 by
hash), and others with words such as "cannot". A refusal without any such words is not in it, so
recall is an upper bound. The rule was written on `tulu`, `alpaca_eval` and `ultrafeedback`;
`mixed` was read once, after. RM-Bench pairs refusals with answers to the same request; the rule was
written on its even rows.

Prints one line per set: responses, refusals, how many of them are found, precision and recall with
Wilson's 95 % interval; and the share of all responses of Tulu that are found.

    python -m bench.real.refusals
"""

import csv
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
from scipy.stats import binomtest

from bench.inputs import DATA
from transforms.measures.refusals import find_refusals

LABELS = Path(__file__).with_name("refusal_labels.csv")
TULU = "n_responses/tulu2_dpo13b_n16_alpacaeval_400.jsonl.gz"
FILES = (
    TULU,
    "alpaca_eval/*/model_outputs.json.gz",
    "alpaca_eval/baseline_gpt4_1106_preview_outputs.json.gz",
    "ultrafeedback/train_1000.jsonl.gz",
    "pairs/*_en_demo.json.gz",
    "pairs/intel_orca_dpo_pairs_100.csv",
    "pairs/lmsys_arena_49.csv",
    "arena_hard/model_answer_gpt-3.5-turbo-0125.jsonl.gz",
    "mt_bench/model_answer/*.jsonl",
)
RM_BENCH = "rm_bench/safety-refuse_filtered.json.gz"


def read_values(file: Path) -> Iterator[Any]:
    """Read the JSON values of a file: JSON, JSON lines, or the cells of a csv file."""
    if file.suffix == ".csv":
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.reader(lines):
                for cell in row:
                    yield cell
                    if cell.startswith("["):
                        yield json.loads(cell)
        return
    content = file.read_bytes()
    text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    parts = text.split("\n") if ".jsonl" in file.name else [text]
    yield from (json.loads(part) for part in parts if part)


def list_strings(value: Any) -> Iterator[str]:
    """List the strings inside a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from list_strings(part)


def show(name: str, declines: pl.Series, texts: pl.Series) -> None:
    """Print precision and recall of the rule on labelled responses."""
    found = find_refusals(texts)
    hits = int((found & declines).sum())
    figures = []
    for total in (int(found.sum()), int(declines.sum())):
        interval = binomtest(hits, total).proportion_ci(method="wilson")
        figures.append(f"{hits / total:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
    print(f"{name:15}{len(texts):6}{declines.sum():6}{hits:6}   {'   '.join(figures)}")


def main() -> None:
    """Print one line per set."""
    wanted = pl.read_csv(LABELS)
    hashes = set(wanted["response_sha256"])
    texts = {}
    for file in (path for pattern in FILES for path in sorted(DATA.glob(pattern))):
        for text in (text for value in read_values(file) for text in list_strings(value)):
            key = hashlib.sha256(text.encode()).hexdigest()[:16]
            if key in hashes:
                texts[key] = text
    print("set             read  decl.  found  precision           recall")
    labelled = wanted.with_columns(text=pl.col("response_sha256").replace_strict(texts))
    for (name,), rows in labelled.group_by("set", maintain_order=True):
        show(str(name), rows["declines"].cast(pl.Boolean), rows["text"])
    pairs = next(read_values(DATA / RM_BENCH))
    for half, parity in (("even", 0), ("odd", 1)):
        sides = [
            (side == "chosen", text)
            for row in pairs[parity::2]
            for side in ("chosen", "rejected")
            for text in row[side]
        ]
        frame = pl.DataFrame(sides, schema=["declines", "text"], orient="row")
        show(f"rm_bench {half}", frame["declines"], frame["text"])
    every = [text for row in read_values(DATA / TULU) for text in row["responses"]]
    distinct = pl.Series(every).unique()
    print(f"tulu: {find_refusals(distinct).sum()} of {len(distinct)} responses are found")


if __name__ == "__main__":
    main()
