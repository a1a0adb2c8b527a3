"""Tables that are computed when a statement reads them: a polars scan over frames.

DuckDB gets a polars scan as one frame in memory, with every column that a statement reads. Frames
that are computed one by one leave only those columns in memory. Not here: what is computed.
"""

from collections.abc import Callable, Iterable, Iterator

import polars as pl
from polars.io.plugins import register_io_source


def scan_computed(compute: Callable[[], Iterable[pl.DataFrame]], schema: pl.Schema) -> pl.LazyFrame:
    """Scan frames that are computed each time that the scan is collected.

    Args:
        compute: returns the frames; for the columns alone, it is not called.
        schema: columns and types of each.
    """

    def read(
        columns: list[str] | None, rows: pl.Expr | None, limit: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        for frame in () if limit == 0 else compute():
            found = frame.select(columns or pl.all())
            found = found if rows is None else found.filter(rows)
            found = found.head(limit) if limit is not None else found
            yield found
            if limit is not None:
                limit -= found.height

    return register_io_source(read, schema=schema)
