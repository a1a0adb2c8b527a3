"""Files of public sets: their origins, filled in from the registry, and reading their rows.

Not here: the sets (`transforms.public_sets`).
"""

from collections.abc import Collection, Iterator, Mapping
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
        key: key of the recipe, for messages.
        name: name of the part, or of a set that has only one part.
        origin: files, or the revision of a hub dataset.
        parts: the known parts by name.

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
        ValueError: no such part, a part without origin, or a missing part that the benchmark needs.
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
    """Read a complete part: row_key and its native columns, in the order of its file.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    known = BENCHMARK_SETS[benchmark].parts[part]
    return pl.concat(read_strict(f"{benchmark}.{part}", origin, known.native, known.optional))


def read_parts(benchmark: str, data: Mapping[str, OriginSettings]) -> Rows:
    """Read complete parts; from an archive, all parts that it contains.

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


def read_strict(
    name: str, origin: OriginSettings, native: Native, optional: Collection[str] = ()
) -> Iterator[pl.DataFrame]:
    """Read native columns and `row_key`, batch by batch; every row must fit.

    Args:
        name: name of the set or part, for messages.
        origin: files or hub dataset.
        native: columns to read, with types.
        optional: columns that may be missing in all rows.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    for batch in read_batches(name, origin, native, optional):
        if batch.malformed.height:
            raise InputError(
                f"set {name} has rows that do not fit",
                expected=", ".join(f"{column}: {dtype}" for column, dtype in native.items()),
                found="{}: {}".format(*batch.malformed.row(0)),
                remedy="repair the file or download it again: a set must have all its rows",
            )
        yield batch.rows
