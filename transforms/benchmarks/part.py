"""What a benchmark is as data: the parts that it is read from, its metric.

Not here: any benchmark (`transforms.benchmarks.sets`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from transforms.sources.files.json_rows import Native


@dataclass(frozen=True)
class Part:
    """One part of a benchmark's data, such as its test items."""

    native: Native
    """Columns that are read, with types."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub."""
    hub_split: str = "test"
    hub_dirs: tuple[str, ...] = ()
    """Folder of the dataset's configuration."""


@dataclass(frozen=True)
class BenchmarkSet:
    """One benchmark."""

    facts: str
    """Where it and its data are from, and how many items it has."""
    parts: Mapping[str, Part]
    needs: tuple[str, ...]
    """Parts of which one has to be there: each holds all items."""
    metric: str
    """What `benchmark_answers.score` and the paper's tables are: one of its metrics."""
    shots: int = 0
    """Examples in a prompt. Paper, Table 3."""
    examples: tuple[str, ...] = ()
    """Parts that examples can be taken from; none where they are part of the prompt's text."""
    clustered: bool = False
    """Whether the items of a subset are alike, so that subsets are what an error is about."""
