"""A model of the quickstart's size on the published files, without a network: at chance."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.schemas.table import SHARED

ROOT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("PREFLOOP_TEST_DATA", ROOT.parent / "shared" / "data")) / "benchmarks"

BENCHMARKS = {
    "gsm8k": ("test=gsm8k_test.jsonl.gz", "limit=10", "max_tokens=64"),
    "mmlu": ("archive=mmlu.zip", "limit=1"),
    "arc_challenge": ("test=arc_challenge_test.jsonl.gz", "limit=100", "shots=0"),
    "humaneval": ("test=HumanEval.jsonl.gz", "limit=10", "max_tokens=64", "run_code=true"),
}
"""The part of the data, and the settings, of each."""

CHANCE = {
    ("gsm8k", "exact_match_flexible"): 0.0,
    ("mmlu", "accuracy"): 25.0,
    ("arc_challenge", "accuracy"): 25.0,
    ("humaneval", "pass_at_1"): 0.0,
}
PROGRAM = "from assets.cli.app import app; import sys; sys.argv[0] = 'prefloop'; app()"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (DATA / "mmlu.zip").is_file(), reason="no published files"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="unshare is Linux's"),
]


def make_lake(root: Path) -> tuple[Lake, str]:
    """Make a lake with one model: the quickstart's shape, a tokenizer of bytes, a long context.

    The quickstart's own vocabulary is 512 words and its context 128 tokens: it could read none.
    """
    lake = Lake(root / "lake")
    text = gzip.decompress((DATA / "gsm8k_test.jsonl.gz").read_bytes()).decode()
    talks = [
        [
            {"role": "user", "content": row["question"]},
            {"role": "assistant", "content": row["answer"]},
        ]
        for row in map(json.loads, filter(None, text.split("\n")))
    ]
    shape = TinyModelSettings(
        tokenizer="byte_bpe", vocab_size=4096, intermediate_size=256, context_tokens=8192
    )
    place = checkpoints.workspace(lake, "sft_policy", SHARED)
    make_tiny_model(shape, talks, place, seed=0)
    name = hash_checkpoint(place)
    row = {"experiment": SHARED, "iteration": 0, "asset": "sft_policy", "kind": "causal_lm"}
    empty = {"parent_id": "", "reference_id": "", "settings": "{}", "inputs": "{}"}
    checkpoints.record(lake, place, checkpoint_id=name, **row, **empty)
    return lake, name


def measure(home: Path, policy: str, name: str, file: str, *settings: str) -> None:
    """Run the command where there is no network at all."""
    part, path = file.split("=")
    words = ["benchmark", policy, name, "--file", f"{part}={DATA / path}", "--dtype", "float32"]
    for setting in ("engine=transformers", "batch_size=4", *settings):
        words += ["--set", setting]
    as_root = [] if os.geteuid() == 0 else ["--map-current-user"]
    subprocess.run(
        ["unshare", *as_root, "--net", sys.executable, "-c", PROGRAM, *words, "--home", str(home)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )


def test_a_random_model_is_at_chance(tmp_path: Path) -> None:
    lake, policy = make_lake(tmp_path)
    for name, words in BENCHMARKS.items():
        measure(tmp_path, policy, name, *words)
    rows = lake.read("benchmark_results", subset="all")
    assert rows["unscored_items"].sum() == 0
    for (name, metric), chance in CHANCE.items():
        row = rows.filter(pl.col("benchmark") == name, pl.col("metric") == metric).row(
            0, named=True
        )
        assert abs(row["value"] - chance) <= max(10.0, 4 * row["standard_error"])
