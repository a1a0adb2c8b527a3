"""Refusals on real responses: precision and recall against labels read by hand.

`refusal_labels.csv` has the first 16 digits of the SHA-256 of a response, and whether it declines
(defined in docs/measured/refusals.md). How the sets were drawn:

- `tulu`, `alpaca_eval`, `ultrafeedback`, `mixed`: every response that an earlier version of the
  rules found, every one with a phrase of `PHRASES` at its start (of Tulu's the first 108 by hash),
  and others with words such as "cannot". A refusal without any such word is not in them.
- `others`: responses with a declining word ("sorry", "cannot", "illegal") at the start: all 61 of
  GPT-4's Arena-Hard answers, PandaLM and LLMBar, 380 of HH-RLHF harmless and 60 of its helpful
  part; and 60 of HH-RLHF harmless without such a word.
- `random`: 110 of HH-RLHF harmless, 20 each of Arena-Hard (GPT-4), PandaLM and LLMBar, 40 each of
  Tulu, UltraFeedback and AlpacaEval, and all of BeaverTails and PKU-SafeRLHF.
- `test_answers`: 110 of Tulu and AlpacaEval with a declining word or a phrase at the start.
- `test_dialogues`: 90 of HH-RLHF harmless with a declining word at the start.

The draws are random (seeds 14 to 17). The rules were written on all sets but the two tests, which
were read when the rules stood; the rules were not changed after. The tests are of the same sources.
RM-Bench pairs refusals with answers to the same request; the rules were written on its even rows.

Prints two lines per set: responses, refusals, how many of them are found, precision and recall with
Wilson's 95 % interval, by the rules and by a list of phrases; and the share of all responses of
Tulu that are found.

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
    "hh-rlhf/*_test.jsonl.gz",
    "arena_hard/model_answer_gpt-4-0314.jsonl.gz",
    "labelled_pairs/*.json*",
    "pairs/beavertails_demo.json",
    "native_rows/pku_saferlhf_native_4rows.jsonl",
)
RM_BENCH = "rm_bench/safety-refuse_filtered.json.gz"
PHRASES = (
    "i'm sorry", "i am sorry", "i'm very sorry", "sorry, but", "i apologize", "my apologies",
    "i cannot", "i can't", "i can not", "i'm not able to", "i am not able to", "i'm unable to",
    "i am unable to", "i won't", "i will not", "i must decline", "as an ai", "as a language model",
    "as an assistant, i", "i'm just an", "i'm really just an", "i do not have the ability",
    "i don't have the ability", "it is not appropriate", "it's not appropriate",
    "unfortunately, i can",
)  # fmt: skip
"""Phrases of refusals, for comparison; after Zou et al. 2023 (arXiv 2307.15043)."""


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
    text = text.replace("\r\n", "\n")  # a line end of Windows; no JSON text contains one
    parts = text.split("\n") if "}\n{" in text else [text]
    yield from (json.loads(part) for part in parts if part)


def list_strings(value: Any) -> Iterator[str]:
    """List the strings inside a JSON value; of a dialogue the last turn, too."""
    if isinstance(value, str):
        yield value
        yield value.rpartition("\n\nAssistant:")[2].strip()
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from list_strings(part)


def find_phrases(texts: pl.Series) -> pl.Series:
    """Find responses with a phrase of `PHRASES` in the first 100 characters."""
    openings = texts.str.head(100).str.replace_all("’", "'")
    return openings.str.contains_any(PHRASES, ascii_case_insensitive=True)


def show(name: str, declines: pl.Series, texts: pl.Series) -> None:
    """Print precision and recall of the rules and of the phrases on labelled responses."""
    for method, find in (("rules", find_refusals), ("phrases", find_phrases)):
        found = find(texts)
        hits = int((found & declines).sum())
        figures = []
        for total in (int(found.sum()), int(declines.sum())):
            if total == 0:
                figures.append(f"{'-':17}")
                continue
            interval = binomtest(hits, total).proportion_ci(method="wilson")
            figures.append(f"{hits / total:.2f} [{interval.low:.2f}, {interval.high:.2f}]")
        counts = f"{len(texts):6}{declines.sum():6}{hits:6}"
        print(f"{name:15}{method:8}{counts}   {'   '.join(figures)}")


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
    print("set            method    read decl. found  precision           recall")
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
