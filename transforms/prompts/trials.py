"""Trials of catalogue entries: how many of a file's first rows each role of an entry keeps.

Not here: the comparison of columns (`transforms.sources.intake.fits`).
"""

from typing import NamedTuple

import polars as pl

from transforms.errors import InputError
from transforms.prompts.prompt_rules import split_prompt_rows
from transforms.settings.sources import Role, SourceSettings
from transforms.sources.files.reading import read_batches
from transforms.sources.intake.demonstrations import split_demonstrations
from transforms.sources.intake.preferences import split_pairs
from transforms.sources.intake.sources import Source, resolve

TRIED_ROWS = 200


class Trial(NamedTuple):
    """The result of one role of an entry on the first rows of a file."""

    entry: str
    role: Role
    rows: int
    """Rows after the layout, before any rule."""
    kept: int
    reason: str
    """Most frequent reason of dropped rows; empty if all are kept."""
    error: InputError | None = None
    """Why no row could be read."""


def try_entry(entry: str, files: tuple[str, ...], rows: int = TRIED_ROWS) -> list[Trial]:
    """Try every role of an entry, with its default options, on the first rows of a file."""
    source = resolve("trial", SourceSettings(entry=entry, files=files, max_rows=rows))
    try:
        batches = read_batches(
            source.name, source.origin, source.entry.native, source.entry.optional
        )
        raw = pl.concat(batch.rows for batch in batches)
    except InputError as error:
        return [Trial(entry, role, 0, 0, error.what, error) for role in source.entry.layouts]
    return [_try_role(source, role, raw) for role in source.entry.layouts]


def _try_role(source: Source, role: Role, raw: pl.DataFrame) -> Trial:
    candidates = source.layout(role)(raw, source.options)
    if role == "preferences":
        rules = source.entry.rules(source.options)
        kept, dropped = split_pairs(source.name, candidates, source.options, rules)
    elif role == "demonstrations":
        kept, dropped = split_demonstrations(source.name, candidates, source.options)
    else:
        kept, dropped = split_prompt_rows(source.name, candidates, source.options)
    reasons = dropped.group_by("reason").len().sort("len", "reason", descending=[True, False])
    reason = reasons["reason"][0] if reasons.height else ""
    return Trial(source.entry_name, role, candidates.height, kept.height, reason)
