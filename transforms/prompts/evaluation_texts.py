"""The table `evaluation_texts`: the questions of a recipe's evaluation sets, item by item.

Not here: the sets (`transforms.public_sets`), screening prompts against the texts
(`transforms.prompts.decontamination`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from transforms.errors import InputError
from transforms.lake.enforcement import enforce_schema
from transforms.public_sets.benchmark_set import Part
from transforms.public_sets.registry import BENCHMARK_SETS, SCREENINGS
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import locate, read_strict


def resolve_evaluation_set(name: str, origin: OriginSettings) -> OriginSettings:
    """Fill in the hub id, the split and the folders of an evaluation set.

    Raises:
        ValueError: no such set, or neither files nor a revision of a dataset.
    """
    return locate("evaluation_sets", name, origin, _list_screened_parts())


def read_evaluation_sets(origins: Mapping[str, OriginSettings]) -> pl.DataFrame:
    """Read evaluation sets into `evaluation_texts`.

    Raises:
        InputError: a file cannot be read, or a row does not fit: a set must be complete.
    """
    frames = [
        to_evaluation_texts(name, rows)
        for name, origin in origins.items()
        for rows in _read_rows(name, resolve_evaluation_set(name, origin))
    ]
    return pl.concat(frames)


def to_evaluation_texts(name: str, raw: pl.DataFrame) -> pl.DataFrame:
    """Convert native rows (and `row_key`) to `evaluation_texts`, in the order of the rows.

    An item of several turns becomes one row per turn, `<item>:1`, `<item>:2`.

    Raises:
        InputError: an item has no text or no identifier, or two items have the same one.
    """
    screening = SCREENINGS[name]
    listed = raw.select(
        pl.lit(name).alias("evaluation_set"),
        screening.item.alias("item"),
        screening.texts.alias("text"),
    )
    turns = pl.col("text").list.len()
    numbered = listed.with_columns(turns=turns, turn=pl.int_ranges(1, turns + 1))
    rows = numbered.explode("text", "turn", empty_as_null=True).with_columns(
        item=pl.when(pl.col("turns") > 1).then(pl.format("{}:{}", "item", "turn")).otherwise("item")
    )
    mistakes = {
        "no text": pl.col("text").is_null(),
        "no identifier": pl.col("item").is_null(),
        "an identifier twice": pl.col("item").is_duplicated(),
    }
    for found, where in mistakes.items():
        if (items := rows.filter(where)["item"]).len():
            raise InputError(
                f"evaluation set {name} cannot be compared with prompts",
                expected="one text per item, and a different identifier for each item",
                found=f"{found}: {items.len()} items, the first {items[0]}",
                remedy="name the set's published file, once",
            )
    return enforce_schema("evaluation_texts", rows.select("evaluation_set", "item", "text"))


def _list_screened_parts() -> dict[str, Part]:
    return {
        name: BENCHMARK_SETS[name].parts[screening.part] for name, screening in SCREENINGS.items()
    }


def _read_rows(name: str, origin: OriginSettings) -> Iterator[pl.DataFrame]:
    """Read the part that is screened, from an archive that contains it or from its own files."""
    parts, screening = BENCHMARK_SETS[name].parts, SCREENINGS[name]
    part, columns = screening.part, screening.columns
    readers = [
        known.read_archive
        for known in parts.values()
        if known.read_archive and part in known.contains
    ]
    archives = [file for file in origin.files if readers and file.endswith(".zip")]
    for read_archive in readers:
        yield from (read_archive(Path(file), part) for file in archives)
    if archives and len(archives) == len(origin.files):
        return
    files = tuple(file for file in origin.files if file not in archives)
    native = {key: dtype for key, dtype in parts[part].native.items() if key in columns}
    yield from read_strict(name, origin.model_copy(update={"files": files}), native)
