"""Judging hand-written native rows, and the folder of real ones."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from transforms.lake.enforcement import enforce_schema
from transforms.sources.catalog import CATALOGUE
from transforms.sources.intake.preferences import split_pairs

ROOT = Path(__file__).resolve().parents[4]


class Judged(NamedTuple):
    """What the rules made of native rows, keyed by position: "0", "1", ..."""

    kept: pl.DataFrame
    dropped: pl.DataFrame

    def pairs(self) -> dict[str, tuple[str, str]]:
        """Texts of the last turns of each kept pair, by row key."""
        last = (
            pl.col(side).list.first().struct.field("content").alias(side)
            for side in ("chosen", "rejected")
        )
        return {key: (a, b) for key, a, b in self.kept.select("row_key", *last).rows()}

    def reasons(self) -> dict[str, str]:
        """Reason of each dropped candidate, by row key."""
        return dict(self.dropped.select("row_key", "reason").rows())


def frame(name: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {"row_key": pl.String, **CATALOGUE[name].native}
    keyed = [{"row_key": str(number), **row} for number, row in enumerate(rows)]
    return pl.DataFrame(keyed, schema=schema)


@pytest.fixture(scope="session")
def native() -> Callable[[str, list[dict[str, Any]]], pl.DataFrame]:
    """Make native rows of an entry; a column that a row does not name is null."""
    return frame


@pytest.fixture(scope="session")
def judge() -> Callable[..., Judged]:
    """Make comparisons of native rows and judge them by an entry's rules and options."""

    def judged(name: str, rows: list[dict[str, Any]], **options: Any) -> Judged:
        entry = CATALOGUE[name]
        chosen = entry.options(**options)
        candidates = entry.layouts["preferences"](frame(name, rows), chosen)
        kept, dropped = split_pairs(name, candidates, chosen, entry.rules(chosen))
        enforce_schema("dropped_rows", dropped)
        assert sum(dropped.null_count().row(0)) == 0
        assert sorted([*kept["row_key"], *dropped["row_key"]]) == sorted(candidates["row_key"])
        return Judged(kept, dropped)

    return judged


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real data files."""
    folder = Path(os.environ.get("PREFLOOP_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data here; PREFLOOP_TEST_DATA names its folder")
    return folder
