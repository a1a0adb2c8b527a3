"""Source files for a fuzz run: made from a number, damaged, and counted by other readers.

A file has rows of an entry of the catalogue, is one of the odd inputs of a folder, or has random
bytes. Then values, bytes or the encoding are changed. Not here: reading it with the code under test
(`bench.fuzz.files`).
"""

import bz2
import csv
import gzip
import io
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl
import pyarrow as pa

from transforms.sources.catalog import CATALOGUE
from transforms.sources.files.json_rows import Native, to_arrow_schema

TEXT_FORMATS = (".jsonl", ".ndjson", ".JSONL", ".json", ".csv", ".tsv")
TABLE_FORMATS = (".parquet", ".arrow")
COMPRESSED = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}
TEXTS = (
    "", " ", "a", "b", "user", "assistant", "human", "gpt", "é\u2028x", "\U0001f600", "\x85",
    "nul\0", "\ufeff", 'say "so"', "a\tb", "a\r\nb", "a,b", "<|im_end|>", "x" * 2_000, '["q", "a"]',
    "\n\nHuman: q\n\nAssistant: a", "A>B", "tie", "4",
)  # fmt: skip
OTHERS = (None, "", 0, -1, 1.5, 10**30, True, [], {}, [None], ["x", 3], {"role": "user"}, "N/A")
"""Values of any type, put in the place of a value that fits."""


ODD_ENTRY = "standard_pairs"
"""Entry with the columns of the odd inputs."""


class Case(NamedTuple):
    """A file, and how it was made."""

    entry: str
    """The entry of the catalogue with whose columns it is read."""
    name: str
    """Name of the file; its ending is its format."""
    content: bytes
    kind: str
    """native, odd or random."""
    damages: tuple[str, ...]
    """Names of what was changed, in order."""


def make_case(number: int, seed: int, inputs: list[Path]) -> Case:
    """Make the file of a number; the same arguments make the same file.

    Args:
        number: number of the file.
        seed: seed of the run.
        inputs: files that are damaged, beside made-up ones.
    """
    rng = random.Random(f"{seed}/{number}")
    entry = rng.choice(sorted(CATALOGUE))
    kind = rng.choices(("native", "odd", "random"), (7, 2 if inputs else 0, 1))[0]
    if kind == "odd":
        file = rng.choice(inputs)
        ending = "".join(file.suffixes[-2:])
        content, damages = _damage_bytes(rng, file.read_bytes())
        return Case(ODD_ENTRY, f"f{ending}", content, kind, damages)
    if kind == "random":
        ending = rng.choice((*TEXT_FORMATS, *TABLE_FORMATS)) + rng.choice(("", "", *COMPRESSED))
        return Case(entry, f"f{ending}", rng.randbytes(rng.randrange(400)), kind, ())
    native = CATALOGUE[entry].native
    rows = [
        {name: draw(dtype, rng) for name, dtype in native.items()}
        for _ in range(rng.randrange(8, 40))
    ]
    if rng.random() < 0.2:
        ending = rng.choice(TABLE_FORMATS)
        content, damages = _damage_bytes(rng, write_table(rows, native, ending))
        return Case(entry, f"f{ending}", content, kind, damages)
    flat = not any(isinstance(dtype, pl.List | pl.Struct) for dtype in native.values())
    ending, damages = rng.choice(TEXT_FORMATS if flat else TEXT_FORMATS[:4]), ()
    if rng.random() < 0.4:
        damages = ("value",)
        for _ in range(rng.randrange(1, 4)):
            row = rng.choice(rows)
            row[rng.choice(sorted(native))] = rng.choice(OTHERS)
    content, more = _damage_text(rng, write_text(rows, list(native), ending))
    compression = rng.choice(("", "", *COMPRESSED))
    if compression:
        content, last = _damage_bytes(rng, COMPRESSED[compression](content))
        more += last
    return Case(entry, f"f{ending}{compression}", content, kind, damages + more)


def draw(dtype: Any, rng: random.Random) -> Any:
    """Draw a value of a native type, often null or empty."""
    if rng.random() < 0.03:
        return None
    if isinstance(dtype, pl.List):
        return [draw(dtype.inner, rng) for _ in range(rng.choice((0, 1, 2, 2, 3)))]
    if isinstance(dtype, pl.Struct):
        return {field.name: draw(field.dtype, rng) for field in dtype.fields}
    if dtype == pl.String:
        return rng.choice(TEXTS)
    if dtype == pl.Boolean:
        return rng.random() < 0.5
    return rng.choice((0.0, 1.0, 4.5, -2.0)) if dtype == pl.Float64 else rng.choice((0, 1, 2, 3))


def write_table(rows: list[dict[str, Any]], native: Native, ending: str) -> bytes:
    """Write rows as parquet, or as an Arrow stream."""
    table = pa.Table.from_pylist(rows, schema=to_arrow_schema(native))
    out = io.BytesIO()
    if ending == ".parquet":
        pl.DataFrame(table).write_parquet(out)
    else:
        with pa.ipc.new_stream(out, table.schema) as stream:
            stream.write_table(table)
    return out.getvalue()


def write_text(rows: list[dict[str, Any]], columns: list[str], ending: str) -> bytes:
    """Write rows as text; values that are lists or objects are JSON in csv."""
    if ending in (".csv", ".tsv"):
        out = io.StringIO()
        writer = csv.writer(out, delimiter="," if ending == ".csv" else "\t")
        writer.writerow(columns)
        for row in rows:
            values = [row[name] for name in columns]
            writer.writerow(json.dumps(v) if isinstance(v, list | dict) else v for v in values)
        return out.getvalue().encode()
    if ending == ".json":
        return json.dumps(rows, ensure_ascii=False).encode()
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def count_rows(path: Path) -> int | None:
    """Count the rows of a file with readers that the code under test does not use.

    Returns:
        None if the other reader cannot read it.
    """
    name = path.name.lower()
    try:
        if name.endswith(".parquet"):
            query = "select count(*) from read_parquet($1)"
            return duckdb.execute(query, [str(path)]).fetchone()[0]
        if name.endswith(".arrow"):
            return pl.read_ipc_stream(path).height
        text = _decode(_decompress(path))
        if ".csv" in name or ".tsv" in name:
            return max(0, _count_records(text, "\t" if ".tsv" in name else ",") - 1)
        if ".json" in name and ".jsonl" not in name:
            start = text.lstrip()
            if start.startswith("[") or start.split("\n", 1)[0].rstrip() == "{":
                value = json.loads(text)
                return len(value) if isinstance(value, list) else 1
        return sum(1 for line in text.split("\n") if line.strip(" \t\n\r\x0b\x0c"))
    except (OSError, EOFError, ValueError, RecursionError, duckdb.Error, pl.exceptions.PolarsError):
        return None


def _count_records(text: str, delimiter: str) -> int:
    """Count the records of csv text that have a field, one character after the other."""
    records, quoted, fresh, blank, previous = 0, False, True, True, ""
    for character in text:
        if quoted:
            quoted = character != '"'
        elif character in "\r\n":
            records += not blank
            fresh = blank = True
        else:
            # a quote in the middle of a field is a character, and two of them in a field are one
            quoted = character == '"' and (fresh or previous == '"')
            fresh, blank = character == delimiter, False
        previous = "" if quoted else character
    return records + (not blank)


def _decompress(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        return gzip.decompress(content)
    if path.name.endswith(".bz2"):
        return bz2.decompress(content)
    if path.name.endswith(".zst"):
        return pa.input_stream(pa.BufferReader(content), compression="zstd").read()
    return content


def _decode(content: bytes) -> str:
    for mark, encoding in ((b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding)
    return content.decode("utf-8-sig", errors="replace")


def _damage_text(rng: random.Random, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Change the encoding or the bytes of a text, or nothing."""
    kinds = ("none", "none", "mark", "utf-16", "utf-16-le", "windows-1252", "crlf", "bytes")
    kind = rng.choice(kinds)
    text = content.decode()
    if kind == "bytes":
        return _damage_bytes(rng, content)
    changed = {
        "mark": lambda: text.encode("utf-8-sig"),
        "utf-16": lambda: text.encode("utf-16"),
        "utf-16-le": lambda: text.encode("utf-16-le"),
        "windows-1252": lambda: text.encode("windows-1252", errors="replace"),
        "crlf": lambda: content.replace(b"\n", b"\r\n"),
        "none": lambda: content,
    }[kind]()
    return changed, () if kind == "none" else (kind,)


def _damage_bytes(rng: random.Random, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Flip, cut, remove, insert or repeat bytes, or change nothing."""
    kind = rng.choice((*["none"] * 5, "flip", "cut", "remove", "insert", "repeat"))
    at, other = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    changed = bytearray(content)
    if kind == "flip" and content:
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del changed[other:]
    elif kind == "remove":
        del changed[at:other]
    elif kind == "insert":
        changed[at:at] = rng.choice((b"\0", b"\n", b'"', b"{", b"\xff", rng.randbytes(8)))
    elif kind == "repeat":
        changed[at:at] = content[at:other]
    return bytes(changed), () if kind == "none" else (kind,)
