"""Raw rows of a source, as they are: from local files or from a pinned dataset of the hub.

Lives here: opening, decoding, keying rows. Not here: what the columns mean (`transforms.layouts`),
the sample task's rows (`transforms.sample_task`). Nothing is filtered; a defect in a file stops the
read and names the file, the position and the cause.
"""

import gzip
import hashlib
import json
import os
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from transforms.errors import InputError
from transforms.settings import SourceSettings

ROW_KEY = "row_key"
"""Added column, origin and row number: `<file name>:1`, or `<hub_id>@<revision>:1`."""


def read_source(source: SourceSettings) -> pl.DataFrame:
    """Read a source's rows, native columns plus `row_key`, in file order.

    Files in different folders are keyed by their path below the common folder, so that two files
    of one name stay apart and no machine's folders enter a key.

    Raises:
        InputError: a file is missing, empty or malformed; files do not fit together; the hub
            does not give the dataset; a native column is called `row_key`.
    """
    frame = _read_hub(source) if source.hub_id else _read_files(source)
    return frame if source.max_rows is None else frame.head(source.max_rows)


def file_fingerprint(source: SourceSettings) -> str:
    """Identify what a source would read: hash of its files' names and bytes, or the hub's revision.

    Raises:
        InputError: a file is missing.
    """
    if source.hub_id:
        return f"{source.hub_id}@{source.revision}:{source.hub_split}"
    whole = hashlib.sha256()
    for name, path in _named(source.files).items():
        with _existing(path).open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{name}\x1f{content}\x1e".encode())
    return whole.hexdigest()[:32]


def _named(files: tuple[str, ...]) -> dict[str, Path]:
    paths = [Path(file).resolve() for file in files]
    common = os.path.commonpath([path.parent for path in paths])
    return {path.relative_to(common).as_posix(): path for path in paths}


def _read_files(source: SourceSettings) -> pl.DataFrame:
    frames: list[pl.DataFrame] = []
    rows_read = 0
    for name, path in _named(source.files).items():
        frame = _decode(_existing(path), name)
        frames.append(_keyed(frame, name))
        rows_read += frame.height
        if source.max_rows is not None and rows_read >= source.max_rows:
            break
    try:
        return pl.concat(frames, how="diagonal_relaxed")
    except PolarsError as error:
        raise InputError(
            f"files {', '.join(source.files)} do not fit together",
            expected="the same native columns with the same types",
            found=str(error),
            remedy="give files of another layout their own source",
        ) from None


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(
            f"source file {path} cannot be read",
            expected="a parquet, json or jsonl file, optionally gzipped",
            found="a folder" if path.is_dir() else "nothing there",
            remedy="correct `files` in the recipe; a relative path is relative to the recipe",
        )
    return path


def _decode(path: Path, name: str) -> pl.DataFrame:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    if kind not in (".parquet", ".json", ".jsonl"):
        raise _malformed(path, f"name ending in {''.join(path.suffixes[-2:]) or 'nothing'}")
    content = path.read_bytes()
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError) as error:
        raise _malformed(path, f"not whole gzip: {error}") from None
    if not content.strip():
        raise _malformed(path, "an empty file")
    try:
        if kind == ".parquet":
            frame = pl.read_parquet(content)
        elif kind == ".json":
            frame = _array_rows(path, content)
        else:  # rows end at "\n" only: U+2028 and its like are ordinary characters in a string
            frame = pl.read_ndjson(content, infer_schema_length=None)
    except (PolarsError, TypeError) as error:
        raise _malformed(path, _position(content) if kind == ".jsonl" else str(error)) from None
    if frame.is_empty():
        raise _malformed(path, "no rows")
    return frame


def _array_rows(path: Path, content: bytes) -> pl.DataFrame:
    try:
        rows = json.loads(content)
    except ValueError as error:
        raise _malformed(path, f"{error}; one object a line belongs in a .jsonl file") from None
    if not isinstance(rows, list):
        raise _malformed(path, f"a JSON {type(rows).__name__}, not an array of objects")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise _malformed(path, f"row {number}: {type(row).__name__}, not an object")
    return pl.from_dicts(rows, infer_schema_length=None)


def _position(content: bytes) -> str:
    """Find the first line that is not a JSON object, or say that columns change their type."""
    for number, line in enumerate(content.split(b"\n"), start=1):
        try:
            row = json.loads(line) if line.strip() else {}
        except ValueError as error:
            return f"line {number}: {error}"
        if not isinstance(row, dict):
            return f"line {number}: {type(row).__name__}, not an object"
    return "lines whose columns have types that do not fit together"


def _malformed(path: Path, found: str) -> InputError:
    return InputError(
        f"source file {path} cannot be read",
        expected="parquet, a .json array of objects, or .jsonl with one object a line; .gz allowed",
        found=found,
        remedy="mend or re-download the file, then run again",
    )


def _read_hub(source: SourceSettings) -> pl.DataFrame:
    import datasets  # slow to import, and needed by hub sources only

    try:
        rows = datasets.load_dataset(
            source.hub_id, split=source.hub_split, revision=source.revision
        ).to_polars()
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"hub dataset {source.hub_id} cannot be read",
            expected=f"split {source.hub_split} at revision {source.revision}",
            found=f"{type(error).__name__}: {error}",
            remedy="check the id, split, revision and network, or name local `files`",
        ) from None
    return _keyed(rows, f"{source.hub_id}@{source.revision}")


def _keyed(frame: pl.DataFrame, origin: str) -> pl.DataFrame:
    if ROW_KEY in frame.columns:
        raise InputError(
            f"rows of {origin} have a column {ROW_KEY}",
            expected="native columns without that name, which prefloop adds",
            found=f"columns {', '.join(frame.columns)}",
            remedy=f"rename {ROW_KEY} in the source",
        )
    row = pl.int_range(1, pl.len() + 1)
    # A column without any value has no type; as text it can be stored and cast like any other.
    return frame.with_columns(pl.col(pl.Null).cast(pl.String)).with_columns(
        pl.format("{}:{}", pl.lit(origin), row).alias(ROW_KEY)
    )
