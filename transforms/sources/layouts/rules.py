"""Rules that drop rows: the condition, the reason and the evidence for the ledger.

Not here: single rules (`transforms.sources.intake.preferences`, `transforms.sources.catalog`). The
first rule that a row breaks is its reason, so the numbers of kept and of dropped rows add up to the
number of incoming rows.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from transforms.lake.schemas import schema_of


class Rule(NamedTuple):
    """A reason to drop a row."""

    reason: str | pl.Expr
    """Name of the reason in the ledger."""
    broken: pl.Expr
    """Whether a row breaks the rule; null counts as no."""
    evidence: pl.Expr
    """The values that break the rule, as text."""


def apply_rules(
    table: str, rows: pl.DataFrame, rules: Sequence[Rule]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into kept ones, in order, and `dropped_rows` with the first rule that each breaks.

    Args:
        table: the table that the rows would enter.
        rows: row_key, source, and the columns that the rules read.
        rules: rules in the order in which they are applied.
    """
    if not rules:
        return rows, pl.DataFrame(schema=schema_of("dropped_rows"))
    # null (a rule that cannot be decided) is not broken: `missing_value` is before other rules
    broken = [pl.when(rule.broken).then(pl.lit(n, pl.UInt8)) for n, rule in enumerate(rules)]
    numbered = rows.with_columns(rule=pl.coalesce(broken))
    kept = numbered.filter(pl.col("rule").is_null()).drop("rule")
    broken_rows = numbered.filter(pl.col("rule").is_not_null())
    if broken_rows.is_empty():
        return kept, pl.DataFrame(schema=schema_of("dropped_rows"))
    # in most batches only a few rules are broken: only these get an expression for the evidence
    needed = [(pl.when(pl.col("rule") == n), rules[n]) for n in broken_rows["rule"].unique()]
    reasons = [
        when.then(pl.lit(rule.reason) if isinstance(rule.reason, str) else rule.reason)
        for when, rule in needed
    ]
    evidence = [when.then(rule.evidence) for when, rule in needed]
    dropped = broken_rows.with_columns(
        table=pl.lit(table), reason=pl.coalesce(reasons), evidence=pl.coalesce(evidence)
    )
    return kept, dropped.select(list(schema_of("dropped_rows")))
