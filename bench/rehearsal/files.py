"""The source files of the dress rehearsal: names, folders and formats as on the hub.

Not here: the rows (`bench.rehearsal.conversations`, `bench.rehearsal.comparisons`).
"""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl

from bench.rehearsal import comparisons, conversations
from bench.rehearsal.conversations import Row
from bench.rehearsal.texts import Texts

SHARD = "train-00000-of-00001.parquet"


class Origin(NamedTuple):
    """The rows of a source, and its files below the folder of the source."""

    make: Callable[[Texts, int], list[Row]]
    files: tuple[str, ...]
    """The rows are divided among them."""


SOURCES = {
    "sharegpt": Origin(
        conversations.sharegpt, ("ShareGPT_V3_unfiltered_cleaned_split_no_imsorry.json",)
    ),
    "evol_instruct": Origin(conversations.evol_instruct, ("WizardLM_evol_instruct_V2_143k.json",)),
    "slim_orca": Origin(conversations.slim_orca, ("oo-labeled_correct.gpt4.sharegpt.jsonl",)),
    "math_instruct": Origin(conversations.math_instruct, ("MathInstruct.json",)),
    "magicoder_evol_instruct": Origin(
        conversations.magicoder_evol_instruct, ("data-evol_instruct-decontaminated.jsonl",)
    ),
    "gpt4_llm": Origin(conversations.gpt4_llm, ("alpaca_gpt4_data_unfiltered.json",)),
    "orca_math": Origin(conversations.orca_math, (f"data/{SHARD}",)),
    "gpteacher": Origin(conversations.gpteacher, ("gpt4-instruct-dedupe-only-dataset.json",)),
    "ultrainteract_sft": Origin(conversations.ultrainteract_sft, ("0000_sft.parquet",)),
    "hh_rlhf": Origin(
        comparisons.hh_rlhf,
        tuple(
            f"{folder}/train.jsonl.gz"
            for folder in ("helpful-base", "helpful-online", "helpful-rejection-sampled")
        ),
    ),
    "shp": Origin(comparisons.shp, ("askacademia/train.json",)),
    "helpsteer": Origin(comparisons.helpsteer, ("train.jsonl.gz",)),
    "pku_saferlhf_30k": Origin(comparisons.pku_saferlhf_30k, ("train.jsonl",)),
    "ultrafeedback": Origin(comparisons.ultrafeedback, ("evol_instruct.jsonl", "sharegpt.jsonl")),
    "ultrainteract": Origin(comparisons.ultrainteract, ("0000_pair.parquet",)),
    "code_ultrafeedback": Origin(comparisons.code_ultrafeedback, (f"data/{SHARD}",)),
    "argilla_math": Origin(comparisons.argilla_math, (f"data/{SHARD}",)),
    "orca_pairs": Origin(comparisons.orca_pairs, (f"data/{SHARD}",)),
    "capybara": Origin(comparisons.capybara, (f"data/{SHARD}",)),
    "summarize_comparisons": Origin(
        comparisons.summarize_comparisons, ("comparisons/train/0000.parquet",)
    ),
    "nectar": Origin(comparisons.nectar, ("rlaif.parquet",)),
    "open_orca": Origin(conversations.open_orca, ("1M-GPT4-Augmented.parquet",)),
    "dibt_10k": Origin(conversations.dibt_10k, (f"data/{SHARD}",)),
}
"""The recipe's sources."""

EVALUATION_SETS = {
    "humaneval": Origin(conversations.humaneval, ("openai_humaneval/test-00000-of-00001.parquet",)),
    "mbpp": Origin(conversations.mbpp, ("full/test-00000-of-00001.parquet",)),
}
"""The recipe's evaluation sets."""


def write_files(folder: Path, rows: int) -> dict[str, tuple[str, ...]]:
    """Write the files of all sources and evaluation sets; return their paths by name."""
    written = {}
    for name, origin in (SOURCES | EVALUATION_SETS).items():
        made, parts = origin.make(Texts(name), rows), len(origin.files)
        paths = tuple(folder / name / file for file in origin.files)
        for place, path in enumerate(paths):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(made[place::parts], path)
        written[name] = tuple(map(str, paths))
    return written


def _write(rows: list[Row], path: Path) -> None:
    """Write rows as the ending of the file says."""
    if path.suffix == ".parquet":
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
        return
    lines = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    is_array = path.suffix == ".json" and path.parent.name != "askacademia"
    content = json.dumps(rows, indent=1).encode() if is_array else lines
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
