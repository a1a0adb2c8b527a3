"""The description of one public dataset: columns, hub id, layouts, rules, sources of the facts.

Not here: the entries themselves (`transforms.sources.catalog`), their options
(`transforms.settings.source_options`), reading (`transforms.sources.files.reading`), the
rules that all sources share (`transforms.sources.intake.preferences`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from transforms.settings.source_options import SourceOptions
from transforms.settings.sources import Role
from transforms.sources.layouts.rules import Rule

Layout = Callable[[pl.DataFrame, Any], pl.DataFrame]
"""Native rows (and `row_key`) to standard columns, one or more rows per native row. The second
argument is the options of the source, of the class `Entry.options`. The result has

- as preferences: row_key, chosen_messages, rejected_messages (whole conversations), chosen_score,
  rejected_score (f64 or null), and verdict (text or null): why a candidate is no comparison;
- as demonstrations: row_key, messages, and verdict;
- as prompts: row_key, prompt, and verdict.

Native columns that the entry's rules need are kept. Every native row gives at least one row, so
that no row can disappear. `transforms.sources.layouts.comparisons` defines the keys of several rows
from one native row.
"""


def no_rules(_: SourceOptions) -> Sequence[Rule]:
    """Return no rules, for a source without rules of its own."""
    return ()


@dataclass(frozen=True)
class Entry:
    """One public dataset."""

    facts: str
    """Sources of schema, layout and rules; what is not published; the choices made here."""
    native: Mapping[str, pl.DataType | type[pl.DataType]]
    """Native columns that are read, with types; checked at ingest."""
    layouts: Mapping[Role, Layout]
    """The conversion of native rows to standard rows, by role; the first role is the default."""
    optional: tuple[str, ...] = ()
    """Native columns that may be missing in a file; their values are then null."""
    rules: Callable[[Any], Sequence[Rule]] = no_rules
    """The entry's own rules for comparisons, given `options`, in addition to the structural ones;
    they can read the native columns."""
    options: type[SourceOptions] = SourceOptions
    """Choices of a recipe for this source, with their defaults."""
    group_by: str | None = None
    """Native column; all rows with the same value are read in one batch, because a pair is made of
    several rows, or because the number of pairs per prompt is limited."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; null for layouts that many files have."""
    hub_split: str = "train"
    """Split of the hub dataset."""
    hub_dirs: tuple[str, ...] = ()
    """Folders of the hub dataset, if its parts are in folders."""
