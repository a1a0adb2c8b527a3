"""A measurement whose process is killed goes on with what is missing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.schemas.table import SHARED

ROOT = Path(__file__).resolve().parents[3]
QUESTIONS = 40
TABLE = "benchmark_answers"

pytestmark = pytest.mark.slow


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "home" / "lake")
    place = checkpoints.workspace(lake, "sft_policy", SHARED)
    shape = TinyModelSettings(hidden_size=64, layers=1, heads=2, context_tokens=64)
    make_tiny_model(shape, [[{"role": "user", "content": "Question: a b Answer:"}]], place, seed=0)
    row = {"experiment": SHARED, "iteration": 0, "asset": "sft_policy", "kind": "causal_lm"}
    empty = {"parent_id": "", "reference_id": "", "settings": "{}", "inputs": "{}"}
    checkpoints.record(lake, place, checkpoint_id=hash_checkpoint(place), **row, **empty)
    return lake


@pytest.fixture
def command(lake: Lake, tmp_path: Path) -> list[str]:
    choices = {"label": ["A", "B"], "text": ["a", "b"]}
    rows = [
        {"id": f"q{n}", "question": f"a b {n}", "choices": choices, "answerKey": "A"}
        for n in range(QUESTIONS)
    ]
    file = tmp_path / "arc.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    policy = checkpoints.find_latest(lake, "sft_policy", SHARED).checkpoint_id
    words = ["benchmark", policy, "arc_challenge", "--file", f"test={file}"]
    for setting in ("shots=0", "engine=transformers", "chunk_items=1"):
        words += ["--set", setting]
    recipe = tmp_path / "recipe.yaml"
    keys = yaml.safe_load((ROOT / "recipes" / "quickstart.yaml").read_text())
    recipe.write_text(yaml.safe_dump({**keys, "commits": {"seconds": 0}}))
    words += ["--recipe", str(recipe), "--home", str(lake.root.parent)]
    program = "from assets.cli.app import app; import sys; sys.argv[0] = 'prefloop'; app()"
    return [sys.executable, "-c", program, *words]


def test_a_killed_measurement_goes_on_and_repeats_nothing(lake: Lake, command: list[str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and (
            not lake.exists(TABLE) or lake.read(TABLE).height < QUESTIONS // 4
        ):
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -9
    before = lake.read(TABLE).sort("item")
    assert QUESTIONS // 4 <= before.height < QUESTIONS
    version = lake.version(TABLE)

    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    left = QUESTIONS - before.height
    assert f"{left} of {QUESTIONS} items to answer" in again.stdout
    after = lake.read(TABLE)
    assert after.height == after["item"].n_unique() == QUESTIONS
    assert lake.version(TABLE) == version + left  # a commit an item, and none of them again
    assert after.join(before, on="item", how="semi").sort("item").equals(before)
    assert lake.read("benchmark_results")["items"].to_list() == [QUESTIONS] * 2
