"""What a public set is as data: its files, how a model is measured on it, its columns in reports.

Lives here: the dataclasses, and the identifiers of items in files that have none. Not here: any set
(the modules beside this one), the list of them (`transforms.public_sets.registry`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

Rows = Mapping[str, pl.DataFrame]
"""Native rows and `row_key`, by part."""

Sections = Mapping[str, Sequence[str]]
"""Subsets of each section."""

Weights = Mapping[str, float]
"""Weight of each subset; an empty one weighs a subset by its pairs, so that each counts alike."""


@dataclass(frozen=True)
class Part:
    """One part of a set's data, such as its test items."""

    native: Mapping[str, pl.DataType | type[pl.DataType]]
    """Columns that are read, with types."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; null where the hub's dataset has other columns."""
    hub_split: str = "test"
    """Split of the hub dataset."""
    hub_dirs: tuple[str, ...] = ()
    """Folder of the dataset's configuration."""
    holds: tuple[str, ...] = ()
    """Other parts that the file holds, where it is an archive."""
    read_archive: Callable[[Path, str], pl.DataFrame] | None = None
    """Reads one of the parts that an archive holds: row_key and the part's native columns."""


@dataclass(frozen=True)
class Screening:
    """What prompts are screened against: what a model is asked, never an answer.

    Of multiple-choice questions that is the question alone: datasets write the choices in many
    ways, with and without letters, so that words of two choices are neighbours in one of them only.
    """

    part: str
    """Part that has the texts."""
    texts: pl.Expr
    """Texts of an item, a list of strings: the turns of a conversation, or one text."""
    item: pl.Expr
    """Identifier of the item, text; the row's own key where the file has none."""

    @property
    def columns(self) -> set[str]:
        """Native columns that are read."""
        return {*self.texts.meta.root_names(), *self.item.meta.root_names()}


@dataclass(frozen=True)
class TaskFile:
    """A task of lm-evaluation-harness: its file, and the names of its metrics here."""

    path: str
    """Below the harness's folder of tasks; `{subset}` is the subset's name."""
    metrics: Mapping[tuple[str, str], str]
    """(filter, metric) of the harness -> metric here."""
    generates: bool = False
    """Whether the model writes an answer; otherwise it weighs choices."""
    program: bool = False
    """Whether the answer is a program, which no metric of the harness scores here."""


@dataclass(frozen=True)
class Harness:
    """How lm-evaluation-harness measures a model on the set."""

    items: Callable[[Rows], tuple[pl.DataFrame, pl.DataFrame | None]]
    """Native rows to items (subset, item and the columns of the tasks) and to the rows that
    examples are taken from, None where the data has none."""
    tasks: tuple[TaskFile, ...]
    """Tasks, all about the same items."""
    chat_tasks: tuple[TaskFile, ...] = ()
    """Tasks whose prompt in a chat is another; the same by default."""
    shots: int = 0
    """Examples in a prompt. Paper, Table 3."""
    examples: tuple[str, ...] = ()
    """Parts that examples can be taken from; none where they are part of the prompt's text."""
    clustered: bool = False
    """Whether the items of a subset are alike, so that an error draws subsets."""


@dataclass(frozen=True)
class LabelledPairs:
    """How a ranker is measured on the set."""

    pairs: Callable[[pl.DataFrame], pl.DataFrame]
    """Native rows and `row_key` to pair_id, subset, prompt, chosen, rejected (all text)."""
    sections: Sections
    """Subsets of each section."""
    weights: Mapping[str, Weights]
    """Weights of the subsets within a section, by name."""


@dataclass(frozen=True)
class Column:
    """A figure of the set in the reports that repeat the paper's tables."""

    name: str
    """Column of the reports."""
    title: str
    """Title on the page and in Figure 8."""
    reports: tuple[str, ...]
    """Reports that have the column."""
    metric: str | None = None
    """Metric that is shown; null takes the set's own."""
    unit: str = "%"
    """Unit of the figure."""
    decimals: int = 1
    """Decimals on the page."""
    scale: int = 1
    """Factor of the figure in Figure 8, whose axis is per cent."""


@dataclass(frozen=True)
class BenchmarkSet:
    """One public set."""

    facts: str
    """Where the set and its layout are from, and how many items it has."""
    parts: Mapping[str, Part]
    """Parts of its data by name."""
    needs: tuple[tuple[str, ...], ...] = ()
    """Parts without which a model cannot be measured: one of each group."""
    metric: str | None = None
    """Metric that the paper's tables print, and that `benchmark_answers.score` holds."""
    screening: Screening | None = None
    """Null where prompts are not screened against the set."""
    harness: Harness | None = None
    """Null where the harness does not measure it."""
    judge_rules: str | None = None
    """Benchmark whose rules a judge follows; null where no judge scores the answers."""
    labelled_pairs: LabelledPairs | None = None
    """Null where the set has no labelled pairs for rankers."""
    columns: tuple[Column, ...] = ()
    """Its columns in the reports, in order."""


def single(column: str) -> pl.Expr:
    """Return the texts of items of one text."""
    return pl.concat_list(pl.col(column))


def numbered(rows: pl.DataFrame, subset: str) -> pl.DataFrame:
    """Identify the items of one subset by their number, from 1."""
    number = pl.int_range(1, pl.len() + 1).cast(pl.String)
    return rows.drop("row_key").select(
        pl.lit(subset).alias("subset"), number.alias("item"), pl.all()
    )


def keyed(rows: pl.DataFrame, subset: str, key: str) -> pl.DataFrame:
    """Identify the items of one subset by a column of their file."""
    return rows.drop("row_key").select(
        pl.lit(subset).alias("subset"), pl.col(key).cast(pl.String).alias("item"), pl.all()
    )
