"""The table `benchmark_answers`: a model's answers, so that it is asked for missing ones only.

Lives here: one slice (a model's answers to a benchmark), kept to what is asked today, and its
growth in chunks. Not here: asking (`training.benchmarks`), the figures of answers
(`transforms.benchmarks.results`).

An answer is known by `request_id`, a hash of all that was asked and of how: prompts, decoding,
engine, versions. So an interrupted measurement goes on with what is missing, a larger limit asks
for the further items alone, and a changed prompt, model or harness asks again.
"""

from typing import NamedTuple

import polars as pl

from transforms.lake.lake import Chunks, Lake
from transforms.lake.schemas import schema_of

TABLE = "benchmark_answers"

REQUESTS = {name: schema_of(TABLE)[name] for name in ("subset", "item", "repeat", "request_id")}
"""Columns of a request: one row per item and repeat."""

ANSWERS = REQUESTS | {
    name: schema_of(TABLE)[name]
    for name in ("answer", "extracted", "score", "scores", "finish_reason")
}
"""Columns of an answer."""


class Measured(NamedTuple):
    """The model that is measured, as its rows name it."""

    experiment: str
    iteration: int
    model: str
    policy_id: str


class Answers:
    """The answers of one model to one benchmark."""

    def __init__(self, lake: Lake, measured: Measured, benchmark: str) -> None:
        """Name the slice; nothing is read yet."""
        self._lake = lake
        self._constants = {**measured._asdict(), "benchmark": benchmark}
        self._slice = {name: self._constants[name] for name in ("experiment", "model", "benchmark")}
        self._chunks = Chunks(lake, TABLE)

    def missing(self, requests: pl.DataFrame) -> pl.DataFrame:
        """Keep the requests that have no answer yet, in their order.

        Answers to anything else, or of another policy, leave the slice in one commit; their old
        version stays readable.

        Args:
            requests: `REQUESTS`.
        """
        held = self.read()
        wanted = held.join(requests, on=["item", "repeat", "request_id"], how="semi")
        wanted = wanted.filter(policy_id=self._constants["policy_id"])
        if wanted.height < held.height:
            self._lake.overwrite(TABLE, wanted, **self._slice)
        return requests.join(
            wanted, on=["item", "repeat", "request_id"], how="anti", maintain_order="left"
        )

    def commit(self, rows: pl.DataFrame) -> None:
        """Append answers (`ANSWERS`) in one commit."""
        stamped = rows.with_columns(
            pl.lit(value, schema_of(TABLE)[name]).alias(name)
            for name, value in self._constants.items()
        )
        self._chunks(stamped.select(list(schema_of(TABLE))))

    def replace(self, rows: pl.DataFrame) -> None:
        """Put rows of the whole slice, which have been scored since, in its place."""
        self._lake.overwrite(TABLE, rows, **self._slice)

    def read(self) -> pl.DataFrame:
        """Read the slice, in the order of subset, item, repeat."""
        if not self._lake.exists(TABLE):
            return pl.DataFrame(schema=schema_of(TABLE))
        return self._lake.read(TABLE, **self._slice).sort("subset", "item", "repeat")
