"""Lengths of the texts of comparisons, and equal texts: the table `measured_preference_pairs`.

DuckDB gets a polars scan as one frame in memory, with every text of a column that a statement
reads: 15 GB for three million comparisons. So comparisons are measured frame by frame, and only the
results are in memory.
"""

from collections.abc import Callable, Iterable

import polars as pl

from transforms.lake.schemas.records import COMPUTED
from transforms.views.computed_tables import scan_computed

NAME = "measured_preference_pairs"


def scan_measured_pairs(read: Callable[[], Iterable[pl.DataFrame]]) -> pl.LazyFrame:
    """Scan the measured comparisons; they are read and measured each time that it is collected.

    Args:
        read: returns the rows of `preference_pairs` in frames.
    """
    return scan_computed(lambda: map(measure_pairs, read()), pl.Schema(COMPUTED[NAME].schema))


def measure_pairs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Measure comparisons: the columns of `measured_preference_pairs`.

    Args:
        pairs: pair_id, prompt_id, source, split, margin, prompt, chosen, rejected.
    """
    lengths = {
        f"{turns}_chars": pl.col(turns)
        .list.eval(pl.element().struct.field("content").str.len_chars())
        .list.sum()
        for turns in ("prompt", "chosen", "rejected")
    }
    text = pl.col("chosen").list.first().struct.field("content").fill_null("")
    same = pl.when(pl.col("chosen") == pl.col("rejected")).then(text)
    measured = pairs.with_columns(**lengths, same_text=same)
    schema = COMPUTED[NAME].schema
    return measured.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
