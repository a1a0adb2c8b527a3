"""The description of a public set: its files, how it measures a model, its columns in reports.

Also: identifiers for items whose files have none. Not here: the sets themselves (one module each in
this folder), their list (`transforms.public_sets.registry`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

NativeTypes = Mapping[str, pl.DataType | type[pl.DataType]]
"""Columns of a file, with their types."""

Rows = Mapping[str, pl.DataFrame]
"""For each part, its native columns and `row_key`."""

Sections = Mapping[str, Sequence[str]]
"""Subsets of each section."""

Weights = Mapping[str, float]
"""Weight of each subset. An empty mapping weighs a subset by its number of pairs: all pairs count
equally."""


@dataclass(frozen=True)
class Part:
    """One part of a set's data, such as its test items."""

    native: NativeTypes
    """The columns to read."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; null if the hub's dataset has other columns."""
    hub_split: str = "test"
    """Split of the hub dataset."""
    hub_dirs: tuple[str, ...] = ()
    """Folder of the dataset's configuration."""
    contains: tuple[str, ...] = ()
    """Other parts in the file, if it is an archive."""
    read_archive: Callable[[Path, str], pl.DataFrame] | None = None
    """Reads one part from an archive, given its name: row_key and the part's native columns."""
    optional: tuple[str, ...] = ()
    """Columns that may be missing in all rows."""


@dataclass(frozen=True)
class Screening:
    """The texts with which prompts are compared: the questions, never the answers.

    For a multiple-choice item this is the question without its choices: datasets format choices
    differently (with and without letters), so shared words would be missed.
    """

    part: str
    """Part that contains the texts."""
    texts: pl.Expr
    """The texts of an item as a list of strings: the turns of a conversation, or one text."""
    item: pl.Expr
    """Identifier of the item, text; `row_key` if the file has none."""

    @property
    def columns(self) -> set[str]:
        """The native columns to read."""
        return {*self.texts.meta.root_names(), *self.item.meta.root_names()}


@dataclass(frozen=True)
class TaskFile:
    """A task of lm-evaluation-harness: its file, and our names of its metrics."""

    path: str
    """Path below the harness's folder of tasks; `{subset}` is the subset's name."""
    metrics: Mapping[tuple[str, str], str]
    """(filter, metric) of the harness -> our name of the metric."""
    generates: bool = False
    """Whether the model writes an answer; otherwise it gives each choice a log-likelihood."""
    program: bool = False
    """Whether the answer is a program; the harness does not score these, the sandbox does."""


@dataclass(frozen=True)
class Harness:
    """How lm-evaluation-harness measures a model on the set."""

    items: Callable[[Rows], tuple[pl.DataFrame, pl.DataFrame | None]]
    """Converts native rows to items (subset, item and the columns of the tasks) and to examples for
    few-shot prompts; None if the data has no examples."""
    tasks: tuple[TaskFile, ...]
    """The tasks; each uses all items."""
    chat_tasks: tuple[TaskFile, ...] = ()
    """The tasks for prompts in a chat template; empty if they are the same."""
    shots: int = 0
    """Number of examples in a prompt (paper, Table 3)."""
    examples: tuple[str, ...] = ()
    """Parts with examples; empty if the task file contains its examples."""
    clustered: bool = False
    """Whether items of a subset are correlated, so that the bootstrap resamples whole subsets."""


@dataclass(frozen=True)
class LabelledPairs:
    """How a ranker is measured on the set."""

    pairs: Callable[[pl.DataFrame], pl.DataFrame]
    """Converts native rows to pair_id, subset, prompt, chosen, rejected (all text)."""
    sections: Sections
    """Subsets of each section."""
    weights: Mapping[str, Weights]
    """Alternative weights of the subsets within a section, by name."""


@dataclass(frozen=True)
class Column:
    """A figure of the set in the reports that repeat the paper's tables."""

    name: str
    """Name of the column in the reports."""
    title: str
    """Title on the page and in Figure 8."""
    reports: tuple[str, ...]
    """Reports with this column."""
    metric: str | None = None
    """The metric to show; null shows the set's own metric."""
    unit: str = "%"
    """Unit of the figure."""
    decimals: int = 1
    """Number of decimals on the page."""
    scale: int = 1
    """Factor by which Figure 8 multiplies the value, because its axis is in per cent."""


@dataclass(frozen=True)
class BenchmarkSet:
    """One public set."""

    facts: str
    """Source of the set and of its layout, and its number of items."""
    parts: Mapping[str, Part]
    """The parts of its data by name."""
    needs: tuple[tuple[str, ...], ...] = ()
    """Required parts: at least one of each group."""
    metric: str | None = None
    """The metric in the paper's tables and in `benchmark_answers.score`."""
    screening: Screening | None = None
    """Null if prompts are not screened against the set."""
    harness: Harness | None = None
    """Null if the harness does not measure it."""
    judge_rules: str | None = None
    """Name of the rules by which a judge scores the answers; null if no judge does."""
    labelled_pairs: LabelledPairs | None = None
    """Null if the set has no labelled pairs for rankers."""
    columns: tuple[Column, ...] = ()
    """Its columns in the reports, in order."""


def wrap_in_list(column: str) -> pl.Expr:
    """Return a list with the one text of each item, as `Screening.texts` requires."""
    return pl.concat_list(pl.col(column))


def number_items(rows: pl.DataFrame, subset: str) -> pl.DataFrame:
    """Identify the items of one subset by their row number, from 1."""
    number = pl.int_range(1, pl.len() + 1).cast(pl.String)
    return rows.drop("row_key").select(
        pl.lit(subset).alias("subset"), number.alias("item"), pl.all()
    )


def identify_items(rows: pl.DataFrame, subset: str, key: str) -> pl.DataFrame:
    """Identify the items of one subset by a column of the file."""
    return rows.drop("row_key").select(
        pl.lit(subset).alias("subset"), pl.col(key).cast(pl.String).alias("item"), pl.all()
    )
