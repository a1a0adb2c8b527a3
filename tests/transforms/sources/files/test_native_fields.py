"""Fields of structs that a source lacks are missing columns, as native columns are."""

import json

import polars as pl
import pytest

from transforms.settings.sources import OriginSettings
from transforms.sources.files.native_fields import FoundFields, MissingColumnsError
from transforms.sources.files.reading import read_batches

NATIVE = {
    "text": pl.String,
    "scores": pl.Struct({"a": pl.Float64, "b": pl.Float64}),
    "turns": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
}
SOUND = {
    "text": "t",
    "scores": {"a": 1.0, "b": 2.0},
    "turns": [{"role": "user", "content": "q"}],
}


def missing(*rows, optional=()):
    fields = FoundFields(NATIVE, optional)
    for row in rows:
        fields.add(pl.DataFrame([row], schema=NATIVE))
    return [path for path, _ in fields.list_missing()]


@pytest.mark.parametrize(
    ("rows", "paths"),
    [
        ([SOUND], []),
        ([{}], ["text", "scores", "turns"]),
        ([SOUND | {"scores": {"a": 1.0}}], ["scores.b"]),
        ([SOUND | {"scores": {"a": 1.0}}, SOUND | {"scores": {"b": 1.0}}], []),
        ([SOUND | {"turns": [{"role": "user"}]}], ["turns.content"]),
        ([SOUND | {"turns": []}], []),
        ([SOUND | {"scores": {}}], ["scores.a", "scores.b"]),
    ],
)
def test_a_field_that_no_row_has_is_missing(rows, paths):
    assert missing(*rows) == paths


def test_an_optional_column_needs_no_field():
    assert missing({"text": "t"}, optional=("scores", "turns")) == []


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_source_without_a_score_in_its_struct_is_refused(tmp_path, form):
    rows = [SOUND | {"scores": {"a": 1.0}}] * 3
    path = tmp_path / f"rows.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        pl.DataFrame(rows).write_parquet(path)
    with pytest.raises(MissingColumnsError, match=r"scores(\.b|: Struct)"):
        list(read_batches("s", OriginSettings(files=(str(path),)), NATIVE))
