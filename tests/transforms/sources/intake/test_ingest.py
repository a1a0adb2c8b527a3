"""Files into raw tables: what cannot be read leaves the table as it was."""

import gzip
import json

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.settings.sources import SourceSettings
from transforms.sources.intake.ingest import ingest
from transforms.sources.intake.sources import resolve

ROWS = [
    {"chosen": f"\n\nHuman: {n}\n\nAssistant: yes", "rejected": f"\n\nHuman: {n}\n\nAssistant: no"}
    for n in range(500)
]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def parquet(folder):
    pl.DataFrame(ROWS).write_parquet(folder / "whole.parquet", row_group_size=100)
    return (folder / "whole.parquet").read_bytes()


def broken_text(folder):
    pl.DataFrame(ROWS).write_parquet(folder / "plain.parquet", compression="uncompressed")
    return (folder / "plain.parquet").read_bytes().replace(b"Human: 17\n", b"Human: \xff\xfe\n")


UNREADABLE = {
    "cut_gzip.jsonl.gz": (lambda _: gzip.compress(LINES)[:-40], r"at byte \d+: gzip data ends"),
    "no_gzip.jsonl.gz": (lambda _: LINES, r"at byte 0: gzip data"),
    "cut.jsonl": (lambda _: LINES[:-30], r"at byte \d+: the file is cut off in line 500"),
    "empty.jsonl": (lambda _: b"", "no rows"),
    "blank.jsonl": (lambda _: b"\n\n \n", "no rows"),
    "cut.json": (lambda _: json.dumps(ROWS).encode()[:-30], r"truncated, in \d+ bytes"),
    "torn.parquet": (lambda folder: parquet(folder)[:-20], "arquet"),
    "cut.parquet": (lambda folder: parquet(folder)[: -len(parquet(folder)) // 2], "arquet"),
    "text.parquet": (broken_text, "row 1: .*UTF8"),
    "quote.csv": (lambda _: b'chosen,rejected\na,b\n"c,d\n', "begins in line 3: unexpected end"),
    "latin.csv": (lambda _: "chosen,rejected\na,\xe9\n".encode("latin-1"), "not UTF-8"),
    "columns.csv": (lambda _: b"chosen\na\n", "no rejected among chosen"),
    "numbers.jsonl": (
        lambda _: b'{"chosen": 1, "rejected": "x"}\n' * 500,
        r"no row with it; first row .* numbers.jsonl:1: Expected `str \| null`, got `int`",
    ),
    "other.jsonl": (lambda _: b'{"text": "x"}\n' * 500, "no row with it"),
    "numbers.parquet": (
        lambda folder: (
            pl.DataFrame({"chosen": [1], "rejected": ["x"]}).write_parquet(folder / "n.parquet")
            or (folder / "n.parquet").read_bytes()
        ),
        "chosen: Int64, not String",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_leaves_the_table_as_it_was(tmp_path, name):
    make, said = UNREADABLE[name]
    lake = Lake(tmp_path / "lake")
    sound = tmp_path / "sound.jsonl"
    sound.write_bytes(LINES + b"{\n")
    ingest(lake, resolve("hh_rlhf", SourceSettings(files=(str(sound),))))
    tables = ("raw_hh_rlhf", "dropped_rows", "source_rows")
    before = {table: (lake.version(table), lake.read(table)) for table in tables}
    path = tmp_path / name
    path.write_bytes(make(tmp_path))
    with pytest.raises(InputError, match=said) as error:
        ingest(lake, resolve("hh_rlhf", SourceSettings(files=(str(path),))))
    assert name in str(error.value) or "source hh_rlhf has no column" in str(error.value)
    for table, (version, rows) in before.items():
        assert lake.version(table) == version
        assert lake.read(table).equals(rows)
    assert before["raw_hh_rlhf"][1].height == 500
    assert before["dropped_rows"][1]["row_key"].to_list() == ["sound.jsonl:501"]
