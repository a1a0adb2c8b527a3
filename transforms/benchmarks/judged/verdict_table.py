"""The table `benchmark_verdicts`: a judge's verdicts, so that it is asked for missing ones only.

Lives here: one slice (the verdicts on a model's answers to a benchmark), kept to what is asked
today, and its growth in chunks. Not here: asking (`training.benchmarks.verdict_requests`), what
verdicts add up to.

A verdict is known by `request_id`, a hash of all that was sent and of the judge. A request without
an answer (a time-out, a refusal) is asked again; an answer without a verdict is an answer.
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
        """Name the slice; nothing is read yet.

        Args:
            lake: the lake.
            constants: `MODEL`'s columns.
        """
        self._lake, self._constants = lake, {name: constants[name] for name in MODEL}
        self._slice = {name: constants[name] for name in SLICE}
        self._chunks = Chunks(lake, TABLE)

    def answered(self, request_ids: pl.Series) -> set[str]:
        """Return the requests of today that have an answer.

        Rows of anything else, of another policy, or without an answer leave the slice in one
        commit; their old version stays readable.
        """
        held = self.read()
        kept = held.filter(
            pl.col("request_id").is_in(request_ids.to_list()),
            pl.col("policy_id") == self._constants["policy_id"],
            pl.col("error").is_null(),
        )
        if kept.height < held.height:
            self._lake.overwrite(TABLE, kept, **self._slice)
        return set(kept["request_id"])

    def commit(self, rows: pl.DataFrame) -> None:
        """Append verdicts (`VERDICTS`) in one commit."""
        stamped = rows.with_columns(
            pl.lit(value, schema_of(TABLE)[name]).alias(name)
            for name, value in self._constants.items()
        )
        self._chunks(stamped.select(list(schema_of(TABLE))))

    def read(self) -> pl.DataFrame:
        """Read the slice, in the order of item, turn, whose answer is shown first, repeat."""
        if not self._lake.exists(TABLE):
            return pl.DataFrame(schema=schema_of(TABLE))
        return self._lake.read(TABLE, **self._slice).sort("item", "turn", "shown_first", "repeat")
