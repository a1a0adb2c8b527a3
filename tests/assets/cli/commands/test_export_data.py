import json
from typing import get_args, get_type_hints

import polars as pl
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.commands.export_data import export_data
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.training_data import FORMATS


def test_pairs_go_to_standard_output_or_a_file(tmp_path):
    turn = [{"role": "assistant", "content": "red"}]
    row = {"experiment": "e", "iteration": 1, "prompt": turn, "chosen": turn, "rejected": turn}
    pairs = pl.DataFrame([row], schema=schema_of("dpo_pairs"))
    Lake(tmp_path / "lake").append("dpo_pairs", pairs)
    command = ["export-data", "e/1", "--home", str(tmp_path)]
    printed = CliRunner().invoke(app, command, catch_exceptions=False)
    assert json.loads(printed.stdout)["chosen"] == turn
    assert printed.stderr == "1 rows\n"
    CliRunner().invoke(app, [*command, "--output", str(tmp_path / "x")], catch_exceptions=False)
    assert (tmp_path / "x").read_text() == printed.stdout
    refused = CliRunner().invoke(app, ["export-data", "f/1", "--home", str(tmp_path)])
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_the_command_offers_every_format():
    assert set(get_args(get_type_hints(export_data)["form"])) == set(FORMATS)
