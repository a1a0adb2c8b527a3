"""Rows of files of every kind, in declared native columns."""

import gzip
import json

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.content import fingerprint_origin
from transforms.sources.files.reading import read_batches

NATIVE = {"text": pl.String, "n": pl.Int64}
ROWS = [{"text": "one\u2028line", "n": 1}, {"text": "two", "n": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = 'n,text\n1,"one\u2028line"\n2,two\n'


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def origin(*files, **settings):
    return OriginSettings(files=tuple(map(str, files)), **settings)


def read(*files, native=NATIVE, optional=(), **settings):
    batches = list(read_batches("s", origin(*files, **settings), native, optional))
    return pl.concat([b.rows for b in batches]), pl.concat([b.malformed for b in batches])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", LINES),
        ("rows.jsonl.gz", LINES),
        ("rows.json", LINES),
        ("rows.json", json.dumps(ROWS)),
        ("rows.json.gz", json.dumps(ROWS, indent=1)),
        ("rows.csv", CSV),
        ("rows.csv.gz", CSV),
    ],
)
def test_a_unicode_line_separator_ends_no_row(tmp_path, name, content):
    rows, malformed = read(write(tmp_path / name, content))
    assert rows["text"].to_list() == ["one\u2028line", "two"]
    assert rows["row_key"].to_list() == [f"{name}:1", f"{name}:2"]
    assert rows.schema == pl.Schema({**NATIVE, "row_key": pl.String})
    assert malformed.is_empty()


def test_one_object_over_many_lines_is_one_row(tmp_path):
    rows, _ = read(write(tmp_path / "a.json", json.dumps(ROWS[0], indent=2)))
    assert rows.select(list(NATIVE)).rows() == [("one\u2028line", 1)]


def test_parquet_widens_and_stops_at_max_rows(tmp_path):
    frame = pl.DataFrame(ROWS, schema_overrides={"n": pl.Int32}).with_columns(other=pl.lit(0.5))
    frame.write_parquet(tmp_path / "a.parquet")
    rows, _ = read(tmp_path / "a.parquet", max_rows=1)
    assert rows.select("n", "row_key").rows() == [(1, "a.parquet:1")]


def test_a_folder_is_read_file_by_file(tmp_path):
    for folder in ("base", "online"):
        write(tmp_path / folder / "train.jsonl", LINES)
    write(tmp_path / "notes.txt", "not data")
    rows, _ = read(tmp_path)
    assert rows["row_key"].to_list()[::2] == ["base/train.jsonl:1", "online/train.jsonl:1"]


def test_files_of_one_name_keep_distinct_keys_without_machine_paths(tmp_path):
    files = [write(tmp_path / folder / "train.jsonl", LINES) for folder in ("base", "online")]
    rows, _ = read(*files)
    assert rows["row_key"].to_list()[::2] == ["base/train.jsonl:1", "online/train.jsonl:1"]


def test_rows_that_do_not_fit_are_named_and_the_others_are_read(tmp_path):
    lines = LINES + '{"text": 5, "n": 3}\n\n[1]\n{"text": "cut"\n{"n": 4}\n'
    rows, malformed = read(write(tmp_path / "a.jsonl", lines))
    assert rows.select("text", "n").rows() == [("one\u2028line", 1), ("two", 2), (None, 4)]
    assert malformed["row_key"].to_list() == ["a.jsonl:3", "a.jsonl:5", "a.jsonl:6"]
    assert "$.text" in malformed["evidence"][0]


def test_an_optional_column_may_be_missing_everywhere(tmp_path):
    native = {**NATIVE, "score": pl.Float64}
    for name in ("a.jsonl", "a.csv"):
        path = write(tmp_path / name, CSV if name.endswith("csv") else LINES)
        rows, _ = read(path, native=native, optional=("score",))
        assert rows["score"].to_list() == [None, None]
        with pytest.raises(InputError, match="score"):
            read(path, native=native)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.jsonl",
            '{"text": "a", "n": 1}\n{"text": "b',
            "at byte 22: the file is cut off",
        ),
        ("a.jsonl", "", "no rows"),
        ("a.jsonl.gz", "\n", "no rows"),
        ("a.json", "[]", "no rows"),
        ("a.json", '[{"text": "a"', "truncated"),
        ("a.csv", 'text,n\n"a,1\n', "unexpected end of data"),
        ("a.csv", b"text,n\n\xff,1\n", "not UTF-8: byte 0xff"),
        ("a.csv", "words,n\na,1\n", "no text among words, n"),
        ("a.parquet", "PAR", "arquet"),
        ("a.txt", "text", ".txt"),
    ],
)
def test_a_defective_file_is_named_with_position_and_cause(tmp_path, name, content, said):
    with pytest.raises(InputError, match=r"expected: .*\n  found: ") as error:
        read(write(tmp_path / name, content))
    assert name in str(error.value)
    assert said in str(error.value)


def test_a_cut_gzip_file_and_a_missing_one_are_refused(tmp_path):
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(LINES.encode())[:-9])
    with pytest.raises(InputError, match=r"cut.jsonl.gz.*\n.*\n.*gzip data ends or breaks"):
        read(cut)
    with pytest.raises(InputError, match="no such file or folder"):
        read(tmp_path / "missing.jsonl")
    with pytest.raises(InputError, match="no such file or folder"):
        fingerprint_origin(origin(tmp_path / "missing.jsonl"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="a folder without such files"):
        read(tmp_path / "empty")


def test_a_column_of_another_type_names_source_column_expected_and_found(tmp_path):
    wrong = write(tmp_path / "a.jsonl", '{"text": "a", "n": "1"}\n{"text": "b", "n": "2"}\n')
    with pytest.raises(InputError, match=r"source s has no column text, n") as error:
        read(wrong)
    assert "a.jsonl:1: Expected `int | null`, got `str` - at `$.n`" in str(error.value)
    pl.DataFrame({"text": [1], "n": [1]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"text: Int64, not String"):
        read(tmp_path / "a.parquet")


def test_fingerprint_follows_content_and_not_the_folder(tmp_path):
    first = fingerprint_origin(origin(write(tmp_path / "x" / "a.jsonl", LINES)))
    moved = fingerprint_origin(origin(write(tmp_path / "y" / "a.jsonl", LINES)))
    changed = fingerprint_origin(origin(write(tmp_path / "x" / "a.jsonl", LINES + LINES)))
    assert first == moved != changed


def test_hub_rows_are_keyed_by_revision_and_folder(monkeypatch):
    import datasets

    def load_dataset(hub_id, data_dir, split, revision, token):
        assert (hub_id, split) == ("o/d", "train")
        if revision == "b" * 40:
            raise FileNotFoundError("no such revision")
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    commit, bad = "a" * 40, "b" * 40
    good = OriginSettings(hub_id="o/d", hub_split="train", revision=commit, hub_dirs=("x", "y"))
    rows = pl.concat([batch.rows for batch in read_batches("s", good, NATIVE)])
    assert rows["row_key"].to_list()[1:3] == [f"o/d@{commit}/x:2", f"o/d@{commit}/y:1"]
    assert rows["n"].to_list() == [1, 2, 1, 2]
    assert fingerprint_origin(good) == f"o/d@{commit}:train:x:y"
    with pytest.raises(InputError, match="no such revision"):
        list(read_batches("s", good.model_copy(update={"revision": bad}), NATIVE))
