"""The table `promotions`: every decision on which policy is the current one.

Lives here: reading and recording decisions. Not here: how one is made
(`transforms.measures.promotion`). The first row makes pi_0 the current policy.
"""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of

TABLE = "promotions"
FIRST = "the first policy"
"""Reason of the first row."""


def read_decisions(lake: Lake) -> pl.DataFrame:
    """Read all decisions, the first one first; no rows in a lake that has decided nothing."""
    if not lake.exists(TABLE):
        return pl.DataFrame(schema=schema_of(TABLE))
    return lake.read(TABLE).sort("created_at")


def find_current(lake: Lake) -> dict[str, Any] | None:
    """Find the decision that made the current policy; None before there is one."""
    promoted = read_decisions(lake).filter("promoted")
    return promoted.row(-1, named=True) if promoted.height else None


def find_decision(lake: Lake, decision_id: str) -> dict[str, Any] | None:
    """Find a decision that was made already: the same policies, figures and settings."""
    rows = read_decisions(lake).filter(decision_id=decision_id)
    return rows.row(-1, named=True) if rows.height else None


def record(lake: Lake, **row: Any) -> dict[str, Any]:
    """Append a decision; `created_at` is added here, columns that are not named are null."""
    row = {**row, "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))
    return row
