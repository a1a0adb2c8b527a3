import gzip
import json

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.reading import file_fingerprint, read_source
from transforms.settings import SourceSettings

ROWS = [{"text": "one\u2028line", "n": 1}, {"text": "two", "n": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def source(*files, **settings):
    names = tuple(map(str, files))
    return SourceSettings(role="preferences", layout="standard_pairs", files=names, **settings)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES),
        ("rows.jsonl.gz", LINES),
        ("rows.json", json.dumps(ROWS)),
        ("rows.json.gz", json.dumps(ROWS)),
    ],
)
def test_a_unicode_line_separator_ends_no_row(tmp_path, name, content):
    rows = read_source(source(write(tmp_path / name, content)))
    assert rows["text"].to_list() == ["one\u2028line", "two"]
    assert rows["row_key"].to_list() == [f"{name}:1", f"{name}:2"]


def test_parquet_and_max_rows(tmp_path):
    pl.DataFrame(ROWS).write_parquet(tmp_path / "a.parquet")
    assert read_source(source(tmp_path / "a.parquet", max_rows=1))["n"].to_list() == [1]


def test_files_of_one_name_keep_distinct_keys_without_machine_paths(tmp_path):
    files = [write(tmp_path / folder / "train.jsonl", LINES) for folder in ("base", "online")]
    keys = read_source(source(*files))["row_key"]
    assert keys.to_list()[::2] == ["base/train.jsonl:1", "online/train.jsonl:1"]


def test_a_column_without_values_can_be_stored_as_text(tmp_path):
    rows = read_source(source(write(tmp_path / "a.jsonl", '{"score": null, "n": 1}\n')))
    assert rows.schema["score"] == pl.String


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": 2', "line 2"),
        ("a.jsonl", '{"a": 1}\n[1]\n', "line 2: list"),
        ("a.jsonl", "", "an empty file"),
        ("a.jsonl.gz", "\n", "an empty file"),
        ("a.json", '{"a": 1}\n{"a": 2}\n', ".jsonl"),
        ("a.json", "[1]", "row 1: int"),
        ("a.json", "[]", "no data"),
        ("a.csv", "a\n1\n", ".csv"),
        ("a.parquet", "PAR", "parquet"),
        ("a.jsonl", '{"row_key": 1}\n', "row_key"),
    ],
)
def test_a_defective_file_is_named_with_position_and_cause(tmp_path, name, content, said):
    with pytest.raises(InputError, match=r"expected: .*\n  found: ") as error:
        read_source(source(write(tmp_path / name, content)))
    assert name in str(error.value)
    assert said in str(error.value)


def test_a_cut_gzip_file_and_a_missing_one_are_refused(tmp_path):
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(LINES.encode())[:-9])
    with pytest.raises(InputError, match="not whole gzip"):
        read_source(source(cut))
    with pytest.raises(InputError, match="nothing there"):
        read_source(source(tmp_path / "missing.jsonl"))
    with pytest.raises(InputError, match="nothing there"):
        file_fingerprint(source(tmp_path / "missing.jsonl"))


def test_fingerprint_follows_content_and_not_the_folder(tmp_path):
    first = file_fingerprint(source(write(tmp_path / "x" / "a.jsonl", LINES)))
    moved = file_fingerprint(source(write(tmp_path / "y" / "a.jsonl", LINES)))
    changed = file_fingerprint(source(write(tmp_path / "x" / "a.jsonl", LINES + LINES)))
    assert first == moved != changed


def test_hub_rows_are_keyed_by_revision(monkeypatch):
    import datasets

    def load_dataset(hub_id, split, revision):
        if revision == "bad":
            raise FileNotFoundError("no such revision")
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    settings = {"role": "preferences", "layout": "standard_pairs", "hub_id": "o/d"}
    good = SourceSettings(**settings, revision="abc")
    assert read_source(good)["row_key"].to_list() == ["o/d@abc:1", "o/d@abc:2"]
    assert file_fingerprint(good) == "o/d@abc:train"
    with pytest.raises(InputError, match="no such revision"):
        read_source(SourceSettings(**settings, revision="bad"))
