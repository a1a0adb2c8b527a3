"""A slice of the loop that a person names, at a moment: its pairs, responses, scores, evaluation.

Lives here: reading it. Not here: what differs between two (`transforms.measures.slice_diff`).

    iterative                          an experiment, all its iterations
    iterative/2                        one iteration
    iterative/2@2026-11-21T10:30       the same as it was then (ISO 8601; UTC without an offset)
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


class Reference(NamedTuple):
    """What a person named."""

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
    """Read what a person typed.

    Raises:
        InputError: it is not of the form.
    """
    found = REFERENCE.fullmatch(text)
    if found is None:
        raise InputError(
            "a slice of the loop cannot be read",
            expected="experiment, experiment/iteration, or either with @time, "
            "such as iterative/2@2026-11-21T10:30",
            found=text,
            remedy='for names: prefloop sql "select distinct experiment, iteration from dpo_pairs"',
        )
    iteration = found["iteration"]
    return Reference(found["experiment"], iteration and int(iteration), found["moment"])


def read_slice(lake: Lake, reference: Reference) -> LoopSlice:
    """Read a slice at its moment.

    Raises:
        InputError: it has no rows, or the moment cannot be read.
    """
    versions = find_versions(lake, [reference.moment] if reference.moment else [])
    pairs, generations, scores, evaluation = (
        _read(lake, table, reference, versions)
        for table in ("dpo_pairs", "generations", "scores", "evaluation_responses")
    )
    if generations.is_empty() and pairs.is_empty():
        raise InputError(
            f"{reference.experiment} has no such rows",
            expected="an experiment and an iteration of the lake",
            found="no responses and no pairs"
            + (f" of iteration {reference.iteration}" if reference.iteration is not None else "")
            + (f" at {reference.moment}" if reference.moment else ""),
            remedy='for names: prefloop sql "select distinct experiment, iteration from dpo_pairs"',
        )
    return LoopSlice(pairs, generations, scores, evaluation.filter(split="evaluation"))


def _read(
    lake: Lake, table: str, reference: Reference, versions: Mapping[str, int | None]
) -> pl.DataFrame:
    if not lake.exists(table) or versions.get(table, 0) is None:
        return pl.DataFrame(schema=schema_of(table))
    rows = lake.scan(table, versions.get(table), experiment=reference.experiment)
    if reference.iteration is not None:
        rows = rows.filter(pl.col("iteration") == reference.iteration)
    return rows.collect()
