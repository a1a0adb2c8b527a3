"""The texts of the evaluation sets that a recipe names, read from files or from the hub.

MMLU comes as a zip of csv files without a header; every other set as
`transforms.sources.files.reading` reads it. Not here: the sets' layouts
(`transforms.prompts.evaluation_sets`), what is done with the texts
(`transforms.prompts.decontamination`).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from transforms.prompts.evaluation_sets import EVALUATION_SETS, to_evaluation_texts
from transforms.prompts.mmlu import read_mmlu
from transforms.settings.sources import OriginSettings
from transforms.sources.files.public_sets import locate, read_fitting


def resolve_evaluation_set(name: str, origin: OriginSettings) -> OriginSettings:
    """Look an evaluation set up, and fill in its hub id and split.

    Raises:
        ValueError: no such set, or neither files nor a revision of a dataset.
    """
    return locate("evaluation_sets", name, origin, EVALUATION_SETS)


def read_evaluation_sets(origins: Mapping[str, OriginSettings]) -> pl.DataFrame:
    """Read evaluation sets into `evaluation_texts`.

    Raises:
        InputError: a file cannot be read, or a row does not fit: a set must be read whole.
    """
    frames = [
        to_evaluation_texts(name, rows)
        for name, origin in origins.items()
        for rows in _read(name, resolve_evaluation_set(name, origin))
    ]
    return pl.concat(frames)


def _read(name: str, origin: OriginSettings) -> Iterator[pl.DataFrame]:
    archives = [file for file in origin.files if file.endswith(".zip")]
    yield from (read_mmlu(Path(file)) for file in archives)
    if archives and len(archives) == len(origin.files):
        return
    files = tuple(file for file in origin.files if file not in archives)
    of_rows = origin.model_copy(update={"files": files})
    yield from read_fitting(name, of_rows, EVALUATION_SETS[name].native)
