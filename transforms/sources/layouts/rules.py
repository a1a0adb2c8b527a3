"""A rule: what breaks it, the reason it gives, and the evidence that it leaves in the ledger.

Lives here: applying rules to rows. Not here: any single rule
(`transforms.sources.intake.preferences`, `transforms.sources.catalog`). The first rule that a row
breaks is its reason, so kept plus dropped is raw.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from transforms.lake.schemas import schema_of


class Rule(NamedTuple):
    """A reason to drop a row: what breaks it and what the row shows for it."""

    reason: str | pl.Expr
    broken: pl.Expr
    evidence: pl.Expr


def apply_rules(
    table: str, rows: pl.DataFrame, rules: Sequence[Rule]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sort rows into kept ones, in order, and `dropped_rows` with the first rule that each breaks.

    Args:
        table: the table that the rows would enter.
        rows: row_key, source, and whatever the rules look at.
        rules: in the order in which a reason is sought.
    """
    if not rules:
        return rows, pl.DataFrame(schema=schema_of("dropped_rows"))
    # null (a rule that cannot be judged) is not broken: `missing_value` stands before the others
    broken = [pl.when(rule.broken).then(pl.lit(n, pl.UInt8)) for n, rule in enumerate(rules)]
    judged = rows.with_columns(rule=pl.coalesce(broken))
    kept = judged.filter(pl.col("rule").is_null()).drop("rule")
    out = judged.filter(pl.col("rule").is_not_null())
    if out.is_empty():
        return kept, pl.DataFrame(schema=schema_of("dropped_rows"))
    # most rules are broken by no row of a batch: their evidence is not worth an expression
    sought = [(pl.when(pl.col("rule") == n), rules[n]) for n in out["rule"].unique()]
    reasons = [
        when.then(pl.lit(rule.reason) if isinstance(rule.reason, str) else rule.reason)
        for when, rule in sought
    ]
    evidence = [when.then(rule.evidence) for when, rule in sought]
    dropped = out.with_columns(
        table=pl.lit(table), reason=pl.coalesce(reasons), evidence=pl.coalesce(evidence)
    )
    return kept, dropped.select(list(schema_of("dropped_rows")))
