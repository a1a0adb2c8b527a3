"""Files of public sets: where a recipe has them, and their rows, of which none may be missing.

Not here: the sets (`transforms.public_sets`), what is made of the rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from transforms.errors import InputError
from transforms.public_sets.benchmark_set import Part, Rows
from transforms.public_sets.registry import BENCHMARK_SETS
from transforms.settings.sources import OriginSettings
from transforms.sources.files.json_rows import Native
from transforms.sources.files.reading import read_batches


def locate(
    key: str, name: str, origin: OriginSettings, parts: Mapping[str, Part]
) -> OriginSettings:
    """Fill in the hub id, the split and the folders of a part that a recipe names.

    Args:
        key: of the recipe, for messages.
        name: of the part, or of a set that has only one.
        origin: files, or the revision of a hub dataset.
        parts: the known ones.

    Raises:
        ValueError: no such part, or neither files nor a revision of a dataset.
    """
    known = parts.get(name)
    if known is None:
        raise ValueError(f"{key}.{name}: no such set (sets: {', '.join(sorted(parts))})")
    hub_id = origin.hub_id or known.hub_id
    if not origin.files and (origin.revision is None or hub_id is None):
        raise ValueError(f"{key}.{name}: name files, or a revision of its hub dataset")
    update = {
        "hub_id": None if origin.files else hub_id,
        "hub_split": origin.hub_split or known.hub_split,
        "hub_dirs": () if origin.files else origin.hub_dirs or known.hub_dirs,
    }
    return origin.model_copy(update=update)


def locate_parts(benchmark: str, data: Mapping[str, OriginSettings]) -> dict[str, OriginSettings]:
    """Fill in the hub ids, splits and folders of a benchmark's parts.

    Args:
        benchmark: name of the set.
        data: origins by part.

    Raises:
        ValueError: no such part, a part without origin, or one that the benchmark needs is missing.
    """
    entry = BENCHMARK_SETS[benchmark]
    located = {
        part: locate(f"{benchmark}.data", part, origin, entry.parts)
        for part, origin in data.items()
    }
    missing = [" or ".join(group) for group in entry.needs if not set(group) & set(data)]
    if missing:
        raise ValueError(f"{benchmark}.data has no {', '.join(missing)}: {entry.facts}")
    return located


def read_part(benchmark: str, part: str, origin: OriginSettings) -> pl.DataFrame:
    """Read a part whole: row_key and its native columns, in the order of its file.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    native = BENCHMARK_SETS[benchmark].parts[part].native
    return pl.concat(read_strict(f"{benchmark}.{part}", origin, native))


def read_parts(benchmark: str, data: Mapping[str, OriginSettings]) -> Rows:
    """Read parts whole; an archive gives the parts that it contains.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    rows: dict[str, pl.DataFrame] = {}
    for part, origin in data.items():
        known = BENCHMARK_SETS[benchmark].parts[part]
        if known.read_archive:
            (file,) = origin.files
            rows |= {name: known.read_archive(Path(file), name) for name in known.contains}
        else:
            rows[part] = read_part(benchmark, part, origin)
    return rows


def read_strict(name: str, origin: OriginSettings, native: Native) -> Iterator[pl.DataFrame]:
    """Read native columns and `row_key`, batch by batch.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    for batch in read_batches(name, origin, native):
        if batch.malformed.height:
            raise InputError(
                f"set {name} has rows that do not fit",
                expected=", ".join(f"{column}: {dtype}" for column, dtype in native.items()),
                found="{}: {}".format(*batch.malformed.row(0)),
                remedy="mend or download the file again: a part of the set would be another set",
            )
        yield batch.rows
