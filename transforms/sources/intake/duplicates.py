"""Rows that an earlier row of the same identity already gave, over batches.

Lives here: what was seen. Not here: identities (`transforms.identity`), prompts that are alike but
not equal (`transforms.prompts.near_duplicates`).
"""

import polars as pl

from transforms.sources.layouts.rules import Rule, apply_rules


class FirstSeen:
    """Rows of an identity that came by before; the next of the same identity is a duplicate."""

    def __init__(self, table: str, noun: str) -> None:
        """Start with none. `<noun>_id` is the identity, `duplicate_<noun>` the reason."""
        self._table, self._noun = table, noun
        # a join would build its table of all that was seen anew for every batch
        self._seen: dict[str, str] = {}

    def split(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Split rows into first ones, in order, and dropped ones, which name their first."""
        firsts: list[str | None] = []
        for identity, row_key in rows.select(f"{self._noun}_id", "row_key").iter_rows():
            firsts.append(self._seen.get(identity))
            self._seen.setdefault(identity, row_key)
        rule = Rule(
            f"duplicate_{self._noun}",
            pl.col("first").is_not_null(),
            pl.format("first at {}", "first"),
        )
        named = rows.with_columns(first=pl.Series(firsts, dtype=pl.String))
        first, dropped = apply_rules(self._table, named, [rule])
        return first.drop("first"), dropped
