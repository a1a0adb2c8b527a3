"""What is known of one public dataset: columns, place, layout, rules, and where each fact is from.

Not here: the entries themselves (`transforms.sources.catalog`), their options
(`transforms.settings.source_options`), reading (`transforms.sources.files.reading`), the
rules that all sources share (`transforms.sources.intake.preferences`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from transforms.settings.source_options import SourceOptions
from transforms.settings.sources import Role
from transforms.sources.layouts.rules import Rule

Layout = Callable[[pl.DataFrame, SourceOptions], pl.DataFrame]
"""Native rows (and `row_key`) to standard columns, one row or several a native row. The result has

- as preferences: row_key, chosen_messages, rejected_messages (whole conversations), chosen_score,
  rejected_score (f64 or null), and verdict (text or null): why a candidate is no comparison;
- as demonstrations: row_key, messages, and verdict;
- as prompts: row_key, prompt, and verdict.

Native columns that the entry's rules look at are left in. Every native row gives at least one row,
so that none can get lost; `transforms.sources.layouts.comparisons` says how several of one row are
keyed.
"""


def no_rules(_: SourceOptions) -> Sequence[Rule]:
    """State that a source has no rule of its own."""
    return ()


@dataclass(frozen=True)
class Entry:
    """One public dataset."""

    facts: str
    """Where schema, layout and rules are from, what is unpublished, what was chosen."""
    native: Mapping[str, pl.DataType | type[pl.DataType]]
    """Native columns that are read, with types; asserted at ingest."""
    layouts: Mapping[Role, Layout]
    """How a native row becomes standard, by role; the first role is the default."""
    optional: tuple[str, ...] = ()
    """Native columns that may be missing everywhere; they are null then."""
    rules: Callable[[SourceOptions], Sequence[Rule]] = no_rules
    """Rules of comparisons besides the structural ones; they see the native columns."""
    options: type[SourceOptions] = SourceOptions
    """Choices of a recipe for this source, with their defaults."""
    group_by: str | None = None
    """Native column whose equal rows must be looked at together: several rows make a pair, or a
    prompt has a limit."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub; null for layouts that many files have."""
    hub_split: str = "train"
    """Split of the hub dataset."""
    hub_dirs: tuple[str, ...] = ()
    """Folders of the hub dataset, where its parts are told apart by folder."""
