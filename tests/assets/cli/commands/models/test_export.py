"""`prefloop export` on the hand-written records of tests/transforms/views/lineage."""

import json
from pathlib import Path

from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from assets.cli.app import app


def export(home: Path, *words: str):
    return CliRunner().invoke(app, ["export", *words, "--home", str(home)], catch_exceptions=False)


def test_a_policy_is_exported_with_its_lineage(home, tmp_path):
    done = export(home, "a/iteration_2/policy", str(tmp_path / "out"), "--dtype", "bfloat16")
    assert done.exit_code == 0
    assert done.stdout.startswith("a/2 4444444e -> ")
    assert str(AutoModelForCausalLM.from_pretrained(tmp_path / "out").dtype) == "torch.bfloat16"
    record = json.loads((tmp_path / "out" / "prefloop.json").read_text())
    facts = ("study", "asset", "experiment", "iteration", "checkpoint_id", "dtype")
    assert [record[name] for name in facts] == [
        "colours",
        "iteration_2/policy",
        "a",
        2,
        "4444444e",
        "bfloat16",
    ]
    made = [step["asset"] for step in record["steps"]]
    assert made.index("initial_model") < made.index("iteration_1/policy")
    assert made[-1] == "iteration_2/policy"


def test_an_unknown_model_is_refused_with_names_like_it(home, tmp_path):
    refused = export(home, "iteration_3/policy", str(tmp_path / "out"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "no model has the name iteration_3/policy" in refused.stderr
    assert "iteration_2/policy" in refused.stderr
    assert not (tmp_path / "out").exists()
