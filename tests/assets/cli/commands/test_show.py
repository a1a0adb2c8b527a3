"""`prefloop show` on one prompt with two responses, one of which would clear the terminal."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

SLICE = {"experiment": "e", "iteration": 1, "prompt_id": "abcdef0123"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("study")
    tables = {
        "prompts": [
            {
                "prompt_id": SLICE["prompt_id"],
                "prompt": [{"role": "user", "content": "name a colour\nplease"}],
            }
        ],
        "generations": [
            {
                **SLICE,
                "response_index": index,
                "response": text,
                "response_tokens": 2,
                "policy_id": "a1",
                "sampler_policy": "current",
                "temperature": 0.7,
                "top_p": 1.0,
                "max_tokens": 16,
                "finish_reason": end,
            }
            for index, (text, end) in enumerate([("\x1b[2Jred [bold]", "stop"), ("blue", "length")])
        ],
        "scores": [
            {**SLICE, "response_index": index, "ranker": "reward_model", "reward": reward}
            for index, reward in enumerate([-1.0, 2.0])
        ],
        "dpo_pairs": [
            {
                **SLICE,
                "chosen_response_index": 1,
                "rejected_response_index": 0,
                "chosen_reward": 2.0,
                "margin": 3.0,
                "rule": "best_vs_worst",
            }
        ],
    }
    for table, rows in tables.items():
        Lake(home / "lake").append(table, pl.DataFrame(rows, schema=schema_of(table)))
    return home


def show(home: Path, name: str):
    return CliRunner().invoke(app, ["show", name, "--home", str(home)], catch_exceptions=False)


def test_a_prompt_is_shown_with_its_responses_by_reward(home):
    assert [line.rstrip() for line in show(home, "e/1/abc").stdout.splitlines()] == [
        "e/1/abcdef0123",
        "user",
        "    name a colour",
        "    please",
        "policy   a1 (current), temperature 0.7, top_p 1, max_tokens 16",
        "ranker   reward_model",
        "pair     response 1 over 0 by best_vs_worst, margin 3.000",
        "",
        "reward 2.000  response 1, 2 tokens, cut at max_tokens  chosen",
        "    blue",
        "",
        "reward -1.000  response 0, 2 tokens  rejected",
        r"    \x1b[2Jred [bold]",
    ]


def test_an_iteration_is_shown_as_a_list(home):
    printed = show(home, "e/1").stdout
    assert "e/1: 1 prompts, 2 responses, 1 pairs" in printed
    assert "abcdef01    3.000  name a colour please" in printed


def test_a_long_prompt_is_cut_at_the_end_of_its_line(home, monkeypatch):
    monkeypatch.setattr("assets.cli.console.find_width", lambda: 36)
    lines = [line.rstrip() for line in show(home, "e/1").stdout.splitlines()]
    assert "  abcdef01    3.000  name a colour …" in lines


def test_an_unknown_name_is_refused(home):
    refused = show(home, "e/1/ffff")
    assert (refused.exit_code, "ids like it: abcdef0123" in refused.stderr) == (2, True)
