"""Malformed rows of every dataset of the catalogue: each is kept by the rules or in the ledger."""

import json
import random

import polars as pl
import pytest

import transforms.prompts.collection
import transforms.sources.intake.ingest
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.prompts.collection import write_prompts
from transforms.prompts.splits import hold_out_demonstrations, hold_out_pairs
from transforms.settings.prompts import PromptSettings, SplitSettings
from transforms.settings.sources import SourceSettings
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.ingest import (
    ingest,
    standardise_demonstrations,
    standardise_pairs,
)
from transforms.sources.intake.sources import resolve
from transforms.sources.intake.standard_tables import update_slices
from transforms.views.query import check, connect

HELD_OUT = (SplitSettings(), 3)
ODD = (
    None, "", " ", "N/A", "x", "a\u2028b", "e\u0301\U0001f600", "nul\x00", "\ufdd0", 0, 1, -1, 1.5,
    10**30, True, [], {}, [None], [[]], ["x", 3], {"role": "user"}, {"content": None}, "x" * 5_000,
    '["a", "b"]', "\n\nHuman: q\n\nAssistant: a", "\n\nHuman:",
)  # fmt: skip
BROKEN = (
    b"{", b"null", b"[1]", b'"s"', b"5", b"", b"  ", b'{"a": "\xff\xfe"}', b'{"a": NaN}',
    b'{"a": "\\ud800"}', b'{"a": "tab\there"}', b'{"a": 1, "a": 2}', b'{"q": ' + b"[" * 3_000,
    b'{"q":' + b"[" * 2_000 + b"]" * 2_000 + b"}",
)  # fmt: skip
"""Lines that are no row of anything; keys that no dataset has."""


def fitting(dtype, rng, depth=0):
    """Draw a value of a native type, oddly often empty."""
    if rng.random() < 0.1:
        return None
    if isinstance(dtype, pl.List):
        return [fitting(dtype.inner, rng, depth + 1) for _ in range(rng.choice((0, 1, 2, 2, 3)))]
    if isinstance(dtype, pl.Struct):
        return {field.name: fitting(field.dtype, rng, depth + 1) for field in dtype.fields}
    if dtype == pl.String:
        texts = [odd for odd in ODD if isinstance(odd, str)]
        return rng.choice([*texts, "user", "assistant", "system", "human", "gpt"])
    return {
        pl.Boolean: rng.random() < 0.5,
        pl.Float64: rng.choice((0.0, 1.0, 4.5, -2.0)),
    }.get(dtype, rng.choice((0, 1, 2, 3)))


def malformed_rows(native, count, seed):
    """Draw lines: rows that fit, rows with a value or key that does not, and lines of nothing."""
    rng = random.Random(seed)
    for _ in range(count):
        if rng.random() < 0.1:
            yield rng.choice(BROKEN)
            continue
        row = {name: fitting(dtype, rng) for name, dtype in native.items()}
        for name in list(row):
            if rng.random() < 0.1:
                row[name] = rng.choice(ODD)
            elif rng.random() < 0.05:
                del row[name]
        yield json.dumps(row, ensure_ascii=rng.random() < 0.5).encode()


def written(path, native, count, seed):
    # one sound row, so that no column is absent everywhere
    rng = random.Random(-1)
    sound = {}
    for name, dtype in native.items():
        while sound.get(name) is None:
            sound[name] = fitting(dtype, rng)
    lines = [json.dumps(sound).encode(), *malformed_rows(native, count, seed)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return sum(bool(line.strip()) for line in lines)


def take_in(lake, source, role):
    """Run a source through to the standard table of a role."""
    table = "preference_pairs" if role == "preferences" else role
    if role == "prompts":
        write_prompts(lake, [source], PromptSettings(), screened=False)
    elif role == "demonstrations":
        update_slices(lake, table, [source], {}, lambda s: standardise_demonstrations(
            lake, s, lambda rows: hold_out_demonstrations(rows, *HELD_OUT)
        ))  # fmt: skip
    else:
        update_slices(lake, table, [source], {}, lambda s: standardise_pairs(
            lake, s, lambda rows: hold_out_pairs(rows, *HELD_OUT)
        ))  # fmt: skip


def every_row_is_accounted_for(tmp_path, name, count):
    entry = CATALOGUE[name]
    file = tmp_path / "rows.jsonl"
    lines = written(file, entry.native, count, seed=name)
    source = resolve(name, SourceSettings(files=(str(file),), roles=tuple(entry.layouts)))
    lake = Lake(tmp_path / "lake")
    ingest(lake, source)
    accounts = lake.read("source_rows", table=f"raw_{name}")
    assert accounts["rows_in"].to_list() == [lines]
    for role in source.roles:
        take_in(lake, source, role)
        with connect(lake) as connection:
            assert check(connection, "kept_and_dropped_add_up").is_empty()
            assert check(connection, "every_raw_row_found").is_empty()
        assert lake.read("dropped_rows")["reason"].null_count() == 0


@pytest.fixture
def random_rows(monkeypatch):
    """Accept sources of which no row is kept: random rows rarely make a conversation."""
    for module in (transforms.sources.intake.ingest, transforms.prompts.collection):
        monkeypatch.setattr(module, "require_kept", lambda *_: None)


@pytest.mark.usefixtures("random_rows")
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_malformed_row_is_accounted_for(tmp_path, name):
    every_row_is_accounted_for(tmp_path, name, 100)


@pytest.mark.slow
@pytest.mark.usefixtures("random_rows")
@pytest.mark.parametrize("name", CATALOGUE)
def test_each_of_ten_thousand_malformed_rows_is_accounted_for(tmp_path, name):
    every_row_is_accounted_for(tmp_path, name, 10_000)


@pytest.mark.parametrize("cut", [1, 1_000, 20_000])
def test_a_file_that_breaks_off_leaves_the_table_as_it_was(tmp_path, cut):
    lake, native = Lake(tmp_path / "lake"), CATALOGUE["hh_rlhf"].native
    file = tmp_path / "rows.jsonl"
    written(file, native, 50, seed=0)
    source = resolve("hh_rlhf", SourceSettings(files=(str(file),)))
    ingest(lake, source)
    before = lake.version("raw_hh_rlhf"), lake.read("raw_hh_rlhf"), lake.read("dropped_rows")
    sound = json.dumps({"chosen": "\n\nHuman: q", "rejected": "x" * 40_000}).encode() + b"\n"
    file.write_bytes(sound * 400 + sound[:cut])
    with pytest.raises(InputError, match=r"rows.jsonl.*\n.*\n.*at byte \d+: the file is cut off"):
        ingest(lake, source)
    after = lake.version("raw_hh_rlhf"), lake.read("raw_hh_rlhf"), lake.read("dropped_rows")
    assert after[0] == before[0]
    assert all(x.equals(y) for x, y in zip(after[1:], before[1:], strict=True))
