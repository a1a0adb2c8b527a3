"""The table `benchmark_verdicts`: a judge's verdicts on a model's answers, appended in chunks.

Not here: requests to a judge (`training.benchmarks.verdict_requests`), figures
(`transforms.benchmarks.judged.figures`).

Verdicts cost money, so rows are only appended and no run removes one. `request_id` identifies a
request: a hash of the messages sent and of the judge. A request that has an answer anywhere in the
table is not sent again; its answer is copied to the model that needs it. A request without an
answer (a time-out, a refusal) is sent again; a request whose answer has no verdict is not.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import polars as pl

from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import ORDER
from transforms.settings.commits import DEFAULT_COMMITS, CommitSettings

TABLE = "benchmark_verdicts"

MEASUREMENT = ("experiment", "model", "benchmark", "policy_id", "benchmark_id")
"""Columns that identify a measurement of a model."""

CONSTANTS = (*MEASUREMENT, "iteration")
"""Columns that have one value in a measurement."""

REQUEST = ("subset", "item", "turn", "shown_first", "repeat", "request_id")
"""Columns that identify a request in a measurement."""

REQUESTS = {name: schema_of(TABLE)[name] for name in REQUEST}
"""Columns of a request: one row per request."""

VERDICTS = {
    name: dtype for name, dtype in schema_of(TABLE).items() if name not in (*CONSTANTS, ORDER)
}
"""Columns of a verdict."""


def select_counted(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Select one row per measurement and request among the rows of the table.

    A request that failed is sent again, and two runs may send the same one at the same time. The
    first answer counts; if there is none, the last error.
    """
    failed = pl.col("error").is_not_null()
    place = pl.when(failed).then(-pl.col(ORDER)).otherwise(ORDER)
    return rows.sort(failed, place, maintain_order=True).unique(
        [*MEASUREMENT, *REQUEST], keep="first", maintain_order=True
    )


class Verdicts:
    """The verdicts on the answers of one model to one benchmark."""

    def __init__(
        self,
        lake: Lake,
        constants: Mapping[str, str | int],
        commits: CommitSettings = DEFAULT_COMMITS,
    ) -> None:
        """Set the measurement; nothing is read yet.

        Args:
            lake: the lake.
            constants: the columns `CONSTANTS`.
            commits: when verdicts are committed.
        """
        self._lake, self._commits = lake, commits
        self._constants = {name: constants[name] for name in CONSTANTS}

    def adopt_answers(self, requests: pl.DataFrame) -> set[str]:
        """Copy answers that the table has to this measurement; return the ids without an answer.

        An answer may be one on another model with the same text, or from before a setting changed.

        Args:
            requests: `REQUESTS`, all of the measurement.
        """
        wanted = requests["request_id"].unique()
        if not self._lake.exists(TABLE):
            return set(wanted)
        answers = self._lake.scan(TABLE).filter(
            pl.col("error").is_null(), pl.col("request_id").is_in(wanted.to_list())
        )
        known = answers.sort(ORDER, maintain_order=True).unique(
            "request_id", keep="first", maintain_order=True
        )
        own = self.read().filter(pl.col("error").is_null())
        missing = requests.join(own, on=REQUEST, how="anti", nulls_equal=True)
        copies = missing.lazy().join(known, on="request_id", suffix="_known").collect()
        if copies.height:
            # equal answers of model and baseline make equal messages in both orders
            same_side = pl.col("shown_first").eq_missing(pl.col("shown_first_known"))
            share = pl.when(same_side).then("share").otherwise(1 - pl.col("share"))
            not_sent = pl.lit(None, pl.Float64)
            rows = copies.with_columns(share=share, elapsed_s=not_sent)
            with self.append_chunks() as append:
                append(rows.select(list(VERDICTS)))
        return set(wanted) - set(known.select("request_id").collect()["request_id"])

    @contextmanager
    def append_chunks(self) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Yield a function that appends verdicts (`VERDICTS`)."""
        constants = [
            pl.lit(value, schema_of(TABLE)[name]).alias(name)
            for name, value in {**self._constants, ORDER: None}.items()
        ]
        with Chunks(self._lake, TABLE, self._commits) as append:
            yield lambda rows: append(rows.with_columns(constants).select(list(schema_of(TABLE))))

    def read(self) -> pl.DataFrame:
        """Read the rows that count, sorted by item, turn, shown_first, repeat."""
        of_measurement = {name: self._constants[name] for name in MEASUREMENT}
        rows = select_counted(self._lake.scan_or_empty(TABLE, **of_measurement))
        return rows.sort("item", "turn", "shown_first", "repeat", maintain_order=True).collect()
