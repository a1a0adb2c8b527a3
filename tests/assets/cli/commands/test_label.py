"""`prefloop label export` and `import` on a lake with a queue of two pairs."""

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of


@pytest.fixture
def home(tmp_path: Path) -> Path:
    rows = [
        {
            "experiment": "e",
            "iteration": 1,
            "pair_id": pair_id,
            "prompt_id": "p",
            "prompt": [{"role": "user", "content": "which ?"}],
            "first": "this",
            "second": f"that {pair_id}",
            "place": place,
        }
        for place, pair_id in enumerate(("x", "y"))
    ]
    queue = pl.DataFrame(rows, schema=schema_of("label_queue"))
    Lake(tmp_path / "lake").overwrite("label_queue", queue, experiment="e", iteration=1)
    return tmp_path


def prefloop(home: Path, *words: str):
    return CliRunner().invoke(app, ["label", *words, "--home", str(home)], catch_exceptions=False)


def test_a_filled_in_export_is_imported_and_leaves_what_is_missing(home: Path) -> None:
    exported = prefloop(home, "export", "e/1")
    first = json.loads(exported.stdout.split("\n")[0])
    file = home / "labels.jsonl"
    file.write_text(json.dumps(first | {"person": "ann", "preferred": "a"}), encoding="utf-8")
    done = prefloop(home, "import", str(file))
    assert done.exit_code == 0
    assert "1 labels added, 0 were already in the lake" in done.output
    assert "e/1: 1 pairs have no label yet" in done.output
    rest = prefloop(home, "export", "e/1", "--missing", "--format", "argilla")
    assert [record["id"] for record in json.loads(rest.stdout)] == ["y"]


@pytest.mark.parametrize("form", ["jsonl", "argilla"])
def test_a_label_file_that_nobody_filled_in_is_refused(home: Path, form: str) -> None:
    file = home / "labels.jsonl"
    file.write_text(prefloop(home, "export", "e/1", "--format", form).stdout, encoding="utf-8")
    done = prefloop(home, "import", str(file))
    assert done.exit_code == 2
    assert "the file has no answer" in done.output


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_label_file_may_begin_with_a_byte_order_mark(home: Path, encoding: str) -> None:
    line = {"experiment": "e", "iteration": 1, "pair_id": "x", "person": "ann", "preferred": "a"}
    file = home / "labels.jsonl"
    file.write_text(json.dumps(line), encoding=encoding)
    assert "1 labels added" in prefloop(home, "import", str(file)).output


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["export", "e"], "EXPERIMENT/ITERATION"),
        (["export", "e/2"], "no pairs of e/2"),
        (["import", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
    ],
)
def test_what_is_not_there_is_refused(home: Path, words: list[str], found: str) -> None:
    refused = prefloop(home, *words)
    assert refused.exit_code == 2
    assert found in refused.output
