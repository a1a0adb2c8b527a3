"""MMLU as its authors publish it: a zip of csv files without a header, one a subject.

Lives here: reading that archive. Not here: which of its columns prompts are screened against
(`transforms.prompts.evaluation_sets`).
"""

import csv
import io
import re
import zipfile
import zlib
from pathlib import Path

import polars as pl

from transforms.errors import InputError
from transforms.sources.files.reading import ROW_KEY

COLUMNS = ("question", "A", "B", "C", "D", "answer")
"""Columns of a member, in order: the question, four choices, the letter of the right one."""

MEMBER = re.compile(r"(?:.*/)?(?P<split>test|dev)/(?P<subject>\w+)_(?P=split)\.csv")
"""Members that hold questions: `data/test/<subject>_test.csv`."""


def read_mmlu(path: Path, split: str = "test") -> pl.DataFrame:
    """Read the questions of the archive (https://github.com/hendrycks/test).

    Args:
        path: the archive.
        split: `test`, or `dev`, the five examples of each subject.

    Returns:
        row_key (`<archive>/<subject>:<row>`), subject, question, A, B, C, D, answer; subjects in
        alphabetical order, 14,042 test rows in the published archive.

    Raises:
        InputError: there is no such file, it is no whole zip archive, it has no such questions, or
            a row has not the six columns.
    """
    rows = []
    try:
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.namelist()):
                if (match := MEMBER.fullmatch(member)) and match["split"] == split:
                    rows += _read_member(path, archive, member, match["subject"])
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise _malformed(path, f"not a whole zip archive ({error})") from None
    if not rows:
        raise _malformed(path, f"a zip archive without members {split}/<subject>_{split}.csv")
    return pl.DataFrame(
        rows, schema=dict.fromkeys((ROW_KEY, "subject", *COLUMNS), pl.String), orient="row"
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
        expected="a zip with test/<subject>_test.csv and dev/<subject>_dev.csv, rows of "
        + ", ".join(COLUMNS),
        found=found,
        remedy="download the archive again; the table keeps its last version",
    )
