"""Slices of the loop by reference: their pairs, responses, scores and evaluation.

Not here: the comparison of two slices (`transforms.measures.slice_diff`).

    iterative                          an experiment, all its iterations
    iterative/2                        one iteration
    iterative/2@2026-11-21T10:30       the same at that time (ISO 8601; UTC without an offset)
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.lake.history import find_versions
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

REFERENCE = re.compile(r"(?P<experiment>\w+)(/(?P<iteration>\d+))?(@(?P<moment>.+))?")

LIST_SLICES = 'to list them: prefloop sql "select distinct experiment, iteration from dpo_pairs"'


class Reference(NamedTuple):
    """A slice of the loop at a point in time; None: all iterations, the last version."""

    experiment: str
    iteration: int | None
    moment: str | None


@dataclass(frozen=True)
class LoopSlice:
    """The rows of a slice, each in the schema of its table."""

    pairs: pl.DataFrame
    generations: pl.DataFrame
    scores: pl.DataFrame
    evaluation: pl.DataFrame
    """`evaluation_responses` of its policies, split `evaluation`."""


def parse_reference(text: str) -> Reference:
    """Parse a reference to a slice.

    Raises:
        InputError: the text has another form.
    """
    found = REFERENCE.fullmatch(text)
    if found is None:
        raise InputError(
            "a reference to a slice of the loop cannot be read",
            expected="experiment, experiment/iteration, or either with @time, "
            "such as iterative/2@2026-11-21T10:30",
            found=text,
            remedy=LIST_SLICES,
        )
    iteration = int(found["iteration"]) if found["iteration"] else None
    return Reference(found["experiment"], iteration, found["moment"])


def read_slice(lake: Lake, reference: Reference) -> LoopSlice:
    """Read a slice.

    Raises:
        InputError: it has no rows, or its point in time cannot be read.
    """
    versions = find_versions(lake, [reference.moment] if reference.moment else [])
    pairs, generations, scores, evaluation = (
        _read(lake, table, reference, versions)
        for table in ("dpo_pairs", "generations", "scores", "evaluation_responses")
    )
    if generations.is_empty() and pairs.is_empty():
        raise InputError(
            f"experiment {reference.experiment} has no such rows",
            expected="an experiment and an iteration of the lake",
            found="no responses and no pairs"
            + (f" of iteration {reference.iteration}" if reference.iteration is not None else "")
            + (f" at {reference.moment}" if reference.moment else ""),
            remedy=LIST_SLICES,
        )
    return LoopSlice(pairs, generations, scores, evaluation.filter(split="evaluation"))


def read_prompts(lake: Lake, reference: Reference) -> pl.DataFrame:
    """Read all prompts as they were at the time of a reference: prompt_id, prompt.

    Raises:
        InputError: the point in time cannot be read.
    """
    versions = find_versions(lake, [reference.moment] if reference.moment else [])
    prompts = lake.scan("prompts", versions.get("prompts"))
    return prompts.select("prompt_id", "prompt").collect()


def _read(
    lake: Lake, table: str, reference: Reference, versions: Mapping[str, int | None]
) -> pl.DataFrame:
    if not lake.exists(table) or versions.get(table, 0) is None:
        return pl.DataFrame(schema=schema_of(table))
    rows = lake.scan(table, versions.get(table), experiment=reference.experiment)
    if reference.iteration is not None:
        rows = rows.filter(pl.col("iteration") == reference.iteration)
    return rows.collect()
