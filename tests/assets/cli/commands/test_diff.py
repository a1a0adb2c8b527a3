"""`prefloop diff` on a small lake: experiments, iterations, moments."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.history import read_table_history
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Experiments a and b; iteration 1 of a was written twice."""
    home = tmp_path_factory.mktemp("study")
    lake = Lake(home / "lake")
    for experiment, iteration, reward in (
        ("a", 1, 1.0),
        ("a", 1, 2.0),
        ("a", 2, 7.0),
        ("b", 1, 5.0),
    ):
        slice_ = {"experiment": experiment, "iteration": iteration}
        keys = [{**slice_, "prompt_id": prompt, "response_index": 0} for prompt in ("p", "q")]
        turn = [{"role": "assistant", "content": f"{reward}"}]
        rows = {
            "generations": [key | {"response": "text", "policy_id": "pi"} for key in keys],
            "scores": [key | {"reward": reward, "ranker_id": "r"} for key in keys],
            "dpo_pairs": [{**slice_, "prompt_id": "p", "chosen": turn, "rejected": turn}],
        }
        for table, frame in rows.items():
            lake.overwrite(table, pl.DataFrame(frame, schema=schema_of(table)), **slice_)
    return home


def diff(home: Path, *words: str):
    return CliRunner().invoke(app, ["diff", *words, "--home", str(home)], catch_exceptions=False)


def shift(home: Path, *words: str) -> dict[int, float]:
    found = json.loads(diff(home, *words, "--format", "json").stdout)
    return {
        row["iteration"]: row["difference"]
        for row in found["shifts"]
        if row["metric"] == "reward_of_common_responses"
    }


def test_experiments_are_compared_iteration_by_iteration(home):
    assert shift(home, "a", "b") == {1: 3.0}
    printed = diff(home, "a", "b").stdout
    assert "first   a\n        sampler pi\n        ranker r\n" in printed
    assert "3.000 ± 0.000" in printed


def test_two_iterations_meet_on_their_common_prompts(home):
    assert shift(home, "a/1", "a/2") == {2: 5.0}


def test_a_slice_is_compared_with_what_it_was(home):
    history = read_table_history(Lake(home / "lake"), ["dpo_pairs"])
    before = history["timestamp"][0].isoformat()
    assert shift(home, f"a/1@{before}", "a/1") == {1: 1.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a", "c"), "c has no such rows"),
        (("a/9", "a/1"), "of iteration 9"),
        (("a", "a/1"), "both with an iteration"),
        (("a/x", "a"), "cannot be read"),
        (("a@soon", "a"), "ISO 8601"),
        (("a/1@2001-01-01", "a/1"), "at 2001-01-01"),
    ],
)
def test_what_is_no_slice_is_refused(home, words, message):
    refused = diff(home, *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert message in refused.stderr
