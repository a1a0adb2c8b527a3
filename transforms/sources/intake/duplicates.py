"""Exact duplicates within a table, found over all batches.

Not here: identities (`transforms.identity`), near duplicates
(`transforms.prompts.near_duplicates`).
"""

import polars as pl

from transforms.sources.layouts.rules import Rule, apply_rules


class FirstSeen:
    """The identities of all rows so far; a later row with the same identity is a duplicate."""

    def __init__(self, table: str, noun: str) -> None:
        """Start without rows. `<noun>_id` is the identity, `duplicate_<noun>` the reason."""
        self._table, self._noun = table, noun
        # a dict, because a join would build its hash table again for every batch
        self._seen: dict[str, str] = {}

    def split(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Split rows into first ones, in order, and duplicates, whose evidence is the first row."""
        firsts: list[str | None] = []
        for identity, row_key in rows.select(f"{self._noun}_id", "row_key").iter_rows():
            firsts.append(self._seen.get(identity))
            self._seen.setdefault(identity, row_key)
        rule = Rule(
            f"duplicate_{self._noun}",
            pl.col("first").is_not_null(),
            pl.format("first at {}", "first"),
        )
        with_first = rows.with_columns(first=pl.Series(firsts, dtype=pl.String))
        kept, dropped = apply_rules(self._table, with_first, [rule])
        return kept.drop("first"), dropped
