"""The public package on a small lake, and the notebook of the guide."""

import runpy
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import prefloop
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

ROOT = Path(__file__).resolve().parents[2]
SLICE = {"experiment": "iterative", "iteration": 1, "prompt_id": "p", "response_index": 0}
MODEL = {"experiment": "shared", "iteration": 0, "asset": "sft_policy", "kind": "causal_lm"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("study")
    lake = Lake(home / "lake")
    for reward in (1.0, 2.0):
        rows = pl.DataFrame([{**SLICE, "reward": reward}], schema=schema_of("scores"))
        lake.overwrite("scores", rows, experiment="iterative", iteration=1)
    turns = {side: [{"role": "user", "content": side}] for side in ("prompt", "chosen", "rejected")}
    pair = {**SLICE, **turns, "margin": 1.0}
    model = {**MODEL, "checkpoint_id": "a1b2c3d4", "path": "checkpoints/a1b2c3d4"}
    for table, row in (
        ("generations", {**SLICE, "response": "red", "response_chars": 3}),
        ("dpo_pairs", pair),
        ("checkpoints", model),
    ):
        known = {name: row[name] for name in schema_of(table) if name in row}
        lake.append(table, pl.DataFrame([known], schema=schema_of(table)))
    (home / "lake" / "checkpoints" / "a1b2c3d4").mkdir(parents=True)
    return home


def test_a_study_has_sql_tables_versions_reports_and_models(home):
    study = prefloop.open(str(home))
    assert study.sql("select reward from scored_responses").rows() == [(2.0,)]
    assert study.table("scores", version=0)["reward"].to_list() == [1.0]
    assert study.table("scores", experiment="concise").is_empty()
    assert study.report("ablations").columns
    assert study.policy("sft_policy") == home / "lake" / "checkpoints" / "a1b2c3d4"
    found = study.tables()
    assert found.filter(name="scores").rows() == [
        ("scores", "table", 1, "One row per response and ranker.")
    ]
    assert set(found["kind"]) == {"table", "view", "report"}
    assert "" not in found["grain"]


def test_a_study_is_read_only_and_its_errors_name_what_is_wrong(home, tmp_path):
    study = prefloop.open(home)
    with pytest.raises(InputError, match="DROP"):
        study.sql("drop table scores")
    with pytest.raises(InputError):
        study.table("nothing")
    with pytest.raises(InputError, match="no lake"):
        prefloop.open(tmp_path)


def test_the_notebook_of_the_guide_runs(home, monkeypatch, capsys):
    monkeypatch.setenv("PREFLOOP_HOME", str(home))
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    with pytest.warns(UserWarning, match="No artists"):  # the lake has no evaluated policy
        runpy.run_path(str(ROOT / "docs" / "guide" / "notebook.py"))
    printed = capsys.readouterr().out
    assert "1 rows in version 0" in printed
    assert "prompt\nchosen\nrejected\n" in printed


def test_the_import_loads_no_scheduler_and_no_model_library():
    heavy = ("dagster", "torch", "transformers", "trl", "vllm")
    code = f"import sys, prefloop; print([one for one in {heavy} if one in sys.modules])"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
