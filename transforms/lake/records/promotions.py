"""The table `promotions`: every decision on which policy is the current one.

The first row makes π₀ the current policy. Not here: the rule that decides
(`transforms.measures.promotion`).
"""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import ORDER

TABLE = "promotions"
FIRST = "the first policy"
"""Reason of the first row."""


def read_decisions(lake: Lake) -> pl.DataFrame:
    """Return all decisions, oldest first; no rows if there is none."""
    return lake.read_or_empty(TABLE).sort(ORDER)


def find_current(lake: Lake) -> dict[str, Any] | None:
    """Return the decision that promoted the current policy; None if there is none."""
    promoted = read_decisions(lake).filter("promoted")
    return promoted.row(-1, named=True) if promoted.height else None


def count_comparisons(lake: Lake) -> int:
    """Count the decisions that compared two policies: all but the first row."""
    return read_decisions(lake)["current_id"].count()


def find_decision(lake: Lake, decision_id: str) -> dict[str, Any] | None:
    """Return the decision with this id (a hash of policies, figures and settings), or None."""
    rows = read_decisions(lake).filter(decision_id=decision_id)
    return rows.row(-1, named=True) if rows.height else None


def record(lake: Lake, **row: Any) -> dict[str, Any]:
    """Append a decision and return its row; `created_at` is added, absent columns are null."""
    row = {**row, "created_at": datetime.now(UTC)}
    lake.append(TABLE, pl.DataFrame([row], schema=schema_of(TABLE)))
    return row
