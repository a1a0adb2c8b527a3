"""`prefloop sample` and `prefloop chat` on tiny policies without a training."""

import re
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.commands.models.chat import HELP
from assets.cli.side_by_side import Columns
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records.named_models import find_compared_policies, find_policy
from transforms.lake.schemas import schema_of


def prefloop(home: Path, *words: str, typed: str = ""):
    command = [*words, "--home", str(home)]
    return CliRunner().invoke(app, command, input=typed, catch_exceptions=False)


def test_pi_0_and_the_selected_policy_reply_to_a_prompt(home):
    options = ("--max-tokens", "4", "--seed", "1")
    both = prefloop(home, "sample", "a b", *options).stdout
    assert re.findall(r"^(\S+) \d{7}\w$", both, re.M) == [
        "sft_policy",
        "a/2",
    ]
    one = prefloop(home, "sample", "a/iteration_2/policy", "a b", *options).stdout
    assert both.endswith(one)
    assert prefloop(home, "sample", "a", "b", "c", "d").exit_code == 2


def test_a_conversation_goes_on_until_quit(home):
    typed = "\na\n.new\n" + "a " * 80 + "\n.quit\n"
    done = prefloop(home, "chat", "--max-tokens", "3", "--temperature", "0", typed=typed)
    assert done.exit_code == 0
    assert done.stdout.startswith("a/2 4444444e\n.new starts")
    assert "Loading weights" not in done.stderr
    assert "the conversation is too long" in done.stderr
    assert prefloop(home, "chat", "sft_policy", typed="").stdout.startswith("sft_policy ")


def test_a_mistyped_command_is_answered_by_the_commands(home):
    done = prefloop(home, "chat", typed=".exit\n.quit\n")
    assert done.stdout.splitlines()[1:] == [HELP, f"you> {HELP}", "you> "]


def test_a_reward_model_cannot_talk(tmp_path):
    lake = Lake(tmp_path)
    shared = {"experiment": "shared"}
    rows = [
        {**shared, "asset": "initial_model", "checkpoint_id": "1" * 8, "kind": "causal_lm"},
        {**shared, "asset": "reward_model", "checkpoint_id": "2" * 8, "kind": "reward_model"},
    ]
    lake.append("checkpoints", pl.DataFrame(rows, schema=schema_of("checkpoints")))
    with pytest.raises(InputError, match="reward_model is not a policy"):
        find_policy(lake, "reward_model")
    assert [row["asset"] for row in find_compared_policies(lake)] == ["initial_model"]


def test_columns_stand_beside_each_other_without_control_characters():
    columns = Columns(["one", "two"], lambda *_: None)
    columns.write_to(0)("red\x1b[2J [b]")
    columns.write_to(1)("blue")
    columns.end(1, "length")
    console = Console(width=60)
    with console.capture() as printed:
        console.print(columns.build_table())
    lines = [re.split(r"\s{2,}", line.rstrip()) for line in printed.get().splitlines()]
    assert lines[:2] == [["one", "two"], [r"red\x1b[2J [b]", "blue [length]"]]
