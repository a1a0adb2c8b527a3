"""Encodings, compressions and endings of source files."""

import bz2
import gzip
import json

import polars as pl
import pyarrow as pa
import pytest

from transforms.errors import InputError
from transforms.settings.sources import OriginSettings
from transforms.sources.files.reading import read_batches

NATIVE = {"text": pl.String, "n": pl.Int64}
ROWS = [{"text": "caf\u00e9\u2028\U0001f600", "n": 1}, {"text": "two", "n": 2}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
CSV = f'n,text\r\n1,{ROWS[0]["text"]}\r\n2,"two"\r\n'


def read(path):
    batches = list(read_batches("s", OriginSettings(files=(str(path),)), NATIVE))
    return pl.concat([b.rows for b in batches]), pl.concat([b.malformed for b in batches])


def write(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", LINES),
        ("a.json", json.dumps(ROWS)),
        ("a.json", LINES),
        ("a.csv", CSV),
        ("a.tsv", CSV.replace(",", "\t")),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path, encoding, name, text):
    rows, malformed = read(write(tmp_path / name, text.encode(encoding)))
    assert rows.select("text", "n").rows(named=True) == ROWS
    assert malformed.is_empty()


def compress_zst(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


COMPRESSED = {".gz": gzip.compress, ".zst": compress_zst, ".bz2": bz2.compress}


@pytest.mark.parametrize("ending", COMPRESSED)
@pytest.mark.parametrize(
    ("name", "text"), [("A.JSONL", LINES), ("a.ndjson", LINES), ("a.csv", CSV)]
)
def test_compressed_text_is_read_in_several_streams(tmp_path, ending, name, text):
    compress = COMPRESSED[ending]
    half = len(text) // 2
    whole = compress(text[:half].encode()) + compress(text[half:].encode())
    rows, _ = read(write(tmp_path / f"{name}{ending}", whole))
    assert rows.select("text", "n").rows(named=True) == ROWS


@pytest.mark.parametrize("ending", COMPRESSED)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_compressed_text_that_ends_early_is_refused(tmp_path, ending, name):
    whole = COMPRESSED[ending]((LINES if name == "a.jsonl" else CSV).encode())
    second = bytearray(whole + whole)
    second[len(whole)] ^= 255
    for broken in (whole[:-9], bytes(second), b"no such data"):
        with pytest.raises(InputError, match="data ends or breaks"):
            read(write(tmp_path / f"{name}{ending}", broken))


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl", "a.json", "a.csv", "a.arrow"])
def test_a_git_lfs_pointer_is_named(tmp_path, name):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 12345\n"
    with pytest.raises(InputError, match=r"Git-LFS pointer.*\n.*git lfs pull"):
        read(write(tmp_path / name, pointer))


def test_text_of_another_encoding_is_named(tmp_path):
    for name, text in (("a.jsonl", LINES), ("a.json", json.dumps(ROWS)), ("a.csv", CSV)):
        with pytest.raises(InputError, match="iconv -f UTF-16LE"):
            read(write(tmp_path / name, text.encode("utf-16-le")))
        with pytest.raises(InputError):
            read(write(tmp_path / name, text.encode("utf-16")[:-1]))
    old = '{"text": "don\u2019t", "n": 3}\n'.encode("windows-1252")
    rows, malformed = read(write(tmp_path / "a.jsonl", LINES.encode() + old))
    assert rows.height == 2
    assert "in Windows-1252 it is \u2019" in malformed["evidence"].item()


@pytest.mark.parametrize("name", ["a.jsonl.xz", "a.feather", "data"])
def test_an_ending_that_cannot_be_read_is_refused_by_name(tmp_path, name):
    with pytest.raises(InputError, match=f"{name} cannot be read"):
        read(write(tmp_path / name, LINES.encode()))
