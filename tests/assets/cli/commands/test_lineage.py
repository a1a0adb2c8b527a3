"""`prefloop lineage` on the hand-written records of tests/transforms/views/lineage."""

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.lake.lake import Lake

FIXTURES = Path(__file__).parents[3] / "transforms" / "views" / "lineage" / "conftest.py"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = spec_from_file_location("lineage_records", FIXTURES)
    records = module_from_spec(spec)
    spec.loader.exec_module(records)
    home = tmp_path_factory.mktemp("study")
    for table, rows in records.record_tables().items():
        Lake(home / "lake").append(table, rows)
    return home


def lineage(home: Path, *words: str):
    return CliRunner().invoke(app, ["lineage", *words, "--home", str(home)], catch_exceptions=False)


def test_the_tree_draws_each_output_once(home):
    printed = lineage(home, "4444444e").stdout
    assert "iteration_2/policy 4444444e" in printed
    assert "parent, reference sft_policy 2222222b" in printed
    assert "dpo.beta=0.1" not in printed
    assert "dpo.beta=0.1" in lineage(home, "4444444e", "--settings").stdout
    assert printed.count("raw_chat@0 (above)") == printed.count("raw_chat@0") - 1


def test_a_branch_in_a_pipe_is_one_whole_line_at_any_width(home, monkeypatch):
    wide = lineage(home, "4444444e", "--settings").stdout
    monkeypatch.setenv("COLUMNS", "60")
    assert lineage(home, "4444444e", "--settings").stdout == wide
    assert max(map(len, wide.splitlines())) > 80


@pytest.mark.parametrize("name", ["a/2", "iteration_2/policy", "latest", "a/latest"])
def test_a_model_has_names(home, name):
    assert lineage(home, name).stdout == lineage(home, "4444444e").stdout


def test_json_holds_the_chain_sources_first(home):
    found = json.loads(lineage(home, "4444444e", "--format", "json").stdout)
    assert found["subject"]["id"] == "4444444e"
    assert found["outputs"][-1]["output_id"] == "4444444e"
    ids = [output["output_id"] for output in found["outputs"]]
    for place, output in enumerate(found["outputs"]):
        assert all(one["output_id"] in ids[:place] for one in output["inputs"])


def test_an_unknown_id_is_one_clear_error(home):
    refused = lineage(home, "9999999")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "nothing in the lake has the id 9999999" in refused.stderr


def test_without_openlineage_the_error_names_the_extra(home, monkeypatch):
    monkeypatch.delitem(sys.modules, "transforms.views.lineage.openlineage", raising=False)
    monkeypatch.setitem(sys.modules, "openlineage.client.event_v2", None)
    refused = lineage(home, "4444444e", "--openlineage", "http://127.0.0.1:1/lineage")
    assert refused.exit_code == 2
    assert "prefloop[lineage]" in refused.stderr


def test_an_address_that_does_not_answer_is_told(home):
    refused = lineage(home, "4444444e", "--openlineage", "http://127.0.0.1:1/lineage")
    assert refused.exit_code == 2
    assert "did not accept the events" in refused.stderr
