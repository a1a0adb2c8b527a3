"""MMLU: multiple-choice questions of 57 subjects, and the reader of its authors' archive.

The archive is a zip with one csv file per subject, without a header. The hub's columns differ.
"""

import csv
import io
import re
import zipfile
import zlib
from pathlib import Path

import polars as pl

from transforms.errors import InputError
from transforms.public_sets.benchmark_set import (
    BenchmarkSet,
    Column,
    Harness,
    NativeTypes,
    Part,
    Rows,
    Screening,
    TaskFile,
    wrap_in_list,
)

COLUMNS = ("question", "A", "B", "C", "D", "answer")
"""Columns of a csv file, in order: the question, four choices, the letter of the correct one."""

LETTERS = COLUMNS[1:5]

HUB_COLUMNS: NativeTypes = {
    "subject": pl.String,
    "question": pl.String,
    "choices": pl.List(pl.String),
    "answer": pl.Int64,
}
"""Columns of the hub's dataset; the answer is the number of the choice, from 0."""

MEMBER = re.compile(r"(?:.*/)?(?P<split>test|dev)/(?P<subject>\w+)_(?P=split)\.csv")
"""Names of the csv files in the archive: `data/test/<subject>_test.csv`."""


def read_mmlu(path: Path, split: str = "test") -> pl.DataFrame:
    """Read the questions of the archive (https://github.com/hendrycks/test).

    Args:
        path: the archive.
        split: `test`, or `dev` for the five examples per subject.

    Returns:
        row_key (`<archive>/<subject>:<row>`), subject, question, A, B, C, D, answer; subjects in
        alphabetical order, 14,042 test rows in the published archive.

    Raises:
        InputError: the file does not exist, is not a complete zip archive, has no questions of this
            split, or a row does not have six columns.
    """
    rows = []
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.namelist()):
                if (match := MEMBER.fullmatch(member)) and match["split"] == split:
                    rows += _read_member(path, archive, member, match["subject"])
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _malformed(path, f"not a complete zip archive ({error})") from None
    if not rows:
        raise _malformed(path, f"a zip archive without files {split}/<subject>_{split}.csv")
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("row_key", "subject", *COLUMNS), pl.String), orient="row"
    )


def _read_member(
    path: Path, archive: zipfile.ZipFile, member: str, subject: str
) -> list[tuple[str, ...]]:
    rows = []
    try:
        text = archive.read(member).decode("utf-8")
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
            if len(row) != len(COLUMNS):
                found = f"row {number} of {member} has {len(row)} columns, not {len(COLUMNS)}"
                raise _malformed(path, found)
            rows.append((f"{path.name}/{subject}:{number}", subject, *row))
    except (csv.Error, UnicodeDecodeError) as error:
        raise _malformed(path, f"{member}: {error}") from None
    return rows


def _malformed(path: Path, found: str) -> InputError:
    return InputError(
        f"MMLU archive {path} cannot be read",
        expected="a zip with test/<subject>_test.csv and dev/<subject>_dev.csv, columns "
        + ", ".join(COLUMNS),
        found=found,
        remedy="download the archive again; the table keeps its last version",
    )


def _read_part(path: Path, part: str) -> pl.DataFrame:
    answer = pl.col("answer").replace_strict(list(LETTERS), range(4), return_dtype=pl.Int64)
    return read_mmlu(path, part).select(
        "row_key", "subject", "question", choices=pl.concat_list(LETTERS), answer=answer
    )


def _items(rows: Rows) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    return _number_by_subject(rows["test"]), (
        _number_by_subject(rows["dev"]) if "dev" in rows else None
    )


def _number_by_subject(rows: pl.DataFrame) -> pl.DataFrame:
    number = pl.int_range(1, pl.len() + 1).over("subject").cast(pl.String)
    return rows.select(
        subset="subject", item=number, question="question", choices="choices", answer="answer"
    )


MMLU = BenchmarkSet(
    facts="MMLU (arXiv 2009.03300), 14,042 test questions of 57 subjects, 5 examples per subject "
    "in `dev`; https://github.com/hendrycks/test, a zip (part `archive`), or the hub's columns "
    "(parts `test` and `dev`). Items have no id: their row number identifies them.",
    parts={
        "archive": Part({}, contains=("test", "dev"), read_archive=_read_part),
        "test": Part(HUB_COLUMNS, "cais/mmlu", "test", ("all",)),
        "dev": Part(HUB_COLUMNS, "cais/mmlu", "dev", ("all",)),
    },
    needs=(("archive", "test"),),
    metric="accuracy",
    screening=Screening("test", wrap_in_list("question"), pl.col("row_key")),
    harness=Harness(
        _items,
        tasks=(TaskFile("mmlu/default/mmlu_{subset}.yaml", {("none", "acc"): "accuracy"}),),
        shots=5,
        examples=("archive", "dev"),
        clustered=True,
    ),
    columns=(Column("mmlu", "MMLU", ("academic_benchmarks", "ablations")),),
)
