"""The table `benchmark_verdicts`: a judge's verdicts on a model's answers, appended in chunks.

Not here: requests to a judge (`training.benchmarks.verdict_requests`), figures
(`transforms.benchmarks.judged.figures`).

`request_id` identifies a verdict: a hash of the messages sent and of the judge, so that only
missing verdicts are requested. A request without an answer (a time-out, a refusal) is sent again; a
request whose answer has no verdict is not.
"""

from collections.abc import Mapping

import polars as pl

from transforms.lake.lake import Chunks, Lake
from transforms.lake.schemas import schema_of

TABLE = "benchmark_verdicts"

SLICE = ("experiment", "model", "benchmark")

MODEL = (*SLICE, "iteration", "policy_id")
"""Columns that identify whose answers were judged."""

VERDICTS = {name: dtype for name, dtype in schema_of(TABLE).items() if name not in MODEL}
"""Columns of a verdict."""


class Verdicts:
    """The verdicts on the answers of one model to one benchmark."""

    def __init__(self, lake: Lake, constants: Mapping[str, str | int]) -> None:
        """Set the slice; nothing is read yet.

        Args:
            lake: the lake.
            constants: the columns `MODEL`.
        """
        self._lake, self._constants = lake, {name: constants[name] for name in MODEL}
        self._slice = {name: constants[name] for name in SLICE}
        self._chunks = Chunks(lake, TABLE)

    def select_answered(self, request_ids: pl.Series) -> set[str]:
        """Return the ids of the requests that have an answer.

        Rows of other requests, of another policy, or without an answer are deleted from the slice
        in one commit; the old version stays readable.
        """
        stored = self.read()
        valid = stored.filter(
            pl.col("request_id").is_in(request_ids.to_list()),
            pl.col("policy_id") == self._constants["policy_id"],
            pl.col("error").is_null(),
        )
        if valid.height < stored.height:
            self._lake.overwrite(TABLE, valid, **self._slice)
        return set(valid["request_id"])

    def commit(self, rows: pl.DataFrame) -> None:
        """Append verdicts (`VERDICTS`) in one commit."""
        stamped = rows.with_columns(
            pl.lit(value, schema_of(TABLE)[name]).alias(name)
            for name, value in self._constants.items()
        )
        self._chunks(stamped.select(list(schema_of(TABLE))))

    def read(self) -> pl.DataFrame:
        """Read the slice, sorted by item, turn, shown_first, repeat."""
        if not self._lake.exists(TABLE):
            return pl.DataFrame(schema=schema_of(TABLE))
        return self._lake.read(TABLE, None, **self._slice).sort(
            "item", "turn", "shown_first", "repeat"
        )
