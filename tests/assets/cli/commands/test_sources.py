"""The catalogue on a terminal, and the entries that fit a file."""

import json

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner

from assets.cli.app import app
from transforms.settings.sources import SourceSettings
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.sources import resolve

PAIRS = [{"prompt": f"q{n}", "chosen": "yes", "rejected": "no"} for n in range(3)]
MESSAGES = [
    {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        **{side: [{"role": "assistant", "content": row[side]}] for side in ("chosen", "rejected")},
    }
    for row in PAIRS
]


def run(*words):
    return CliRunner().invoke(app, ["sources", *map(str, words)])


def write(path, rows):
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        getattr(pl.DataFrame(rows), f"write_{path.suffix[1:]}")(path)
    return path


def test_every_entry_is_listed_with_its_columns():
    printed = run().stdout
    for name, entry in CATALOGUE.items():
        assert name in printed
        assert all(column in printed for column in entry.native)
    assert f"{len(CATALOGUE)} entries" in printed


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "csv"])
def test_the_entry_that_keeps_the_rows_of_a_file_is_suggested(tmp_path, ending):
    printed = run(write(tmp_path / f"pairs.{ending}", PAIRS)).stdout
    assert "has the columns prompt: text, chosen: text, rejected: text" in printed
    recipe = yaml.safe_load(printed.split("In a recipe:")[1])["sources"]["my_source"]
    assert recipe["entry"] == "trl_pairs"
    assert recipe["roles"] == ["preferences", "demonstrations", "prompts"]
    assert resolve("my_source", SourceSettings.model_validate(recipe)).entry_name == "trl_pairs"
    assert printed.index("trl_pairs") < printed.index("hh_rlhf")
    assert "0 of 3   odd_turns" in printed


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_message_lists_are_suggested_another_entry(tmp_path, ending):
    printed = run(write(tmp_path / f"pairs.{ending}", MESSAGES)).stdout
    assert "entry: trl_message_pairs" in printed


def test_a_file_that_nearly_fits_is_told_what_it_lacks(tmp_path):
    rows = [{"question": "q", "response_j": "yes"}]
    printed = run(write(tmp_path / "rows.jsonl", rows)).stdout
    assert "No entry has these columns." in printed
    assert "response_k: text" in printed
    assert "In a recipe" not in printed


def test_a_file_without_columns_or_without_rows_is_refused(tmp_path):
    for name, content in (("a.jsonl", "1\n"), ("b.json", "{"), ("c.txt", "x")):
        (tmp_path / name).write_text(content)
        result = run(tmp_path / name)
        assert result.exit_code == 2, result.output
        assert name in result.output
    assert run(tmp_path / "none.jsonl").exit_code == 2


UNREADABLE = {
    "pointer.parquet": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 1\n",
        "Git-LFS pointer",
    ),
    "old.jsonl": ('{"prompt": "don\u2019t"}\n'.encode("cp1252"), "iconv -f WINDOWS-1252"),
    "old.csv": ("prompt,chosen,rejected\ndon\u2019t,a,b\n".encode("cp1252"), "WINDOWS-1252"),
    "header.tsv": (b"prompt\tchosen\trejected\n", "no rows"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_no_entry_can_read_is_refused_with_its_reason(tmp_path, name):
    content, reason = UNREADABLE[name]
    (tmp_path / name).write_bytes(content)
    result = run(tmp_path / name)
    assert result.exit_code == 2, result.output
    assert reason in result.output
    assert "has the columns" not in result.output
