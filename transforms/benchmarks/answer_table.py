"""The table `benchmark_answers`: the answers of a model to a benchmark, appended in chunks.

Not here: requesting answers (`training.benchmarks`), results (`transforms.benchmarks.results`).

`request_id` identifies an answer. It is a hash of the request and its circumstances: prompts,
decoding, engine, versions. So an interrupted measurement continues with the missing answers, a
larger limit requests only the additional items, and a changed prompt, model or harness requests
everything again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import polars as pl

from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.commits import DEFAULT_COMMITS, CommitSettings

TABLE = "benchmark_answers"

REQUESTS = {name: schema_of(TABLE)[name] for name in ("subset", "item", "repeat", "request_id")}
"""Columns of a request: one row per item and repeat."""

ANSWERS = REQUESTS | {
    name: schema_of(TABLE)[name]
    for name in ("answer", "extracted", "score", "scores", "finish_reason")
}
"""Columns of an answer: one row per request."""


class MeasuredModel(NamedTuple):
    """The measured model: columns that identify it in each row."""

    experiment: str
    iteration: int
    model: str
    policy_id: str


class Answers:
    """The answers of one model to one benchmark."""

    def __init__(
        self,
        lake: Lake,
        measured: MeasuredModel,
        benchmark: str,
        commits: CommitSettings = DEFAULT_COMMITS,
    ) -> None:
        """Set the slice; nothing is read yet."""
        self._lake, self._commits = lake, commits
        self._constants = {**measured._asdict(), "benchmark": benchmark}
        self._slice = {
            "experiment": measured.experiment,
            "model": measured.model,
            "benchmark": benchmark,
        }

    def select_missing(self, requests: pl.DataFrame) -> pl.DataFrame:
        """Select the requests that have no answer yet, in their order.

        Answers to other requests, or from another policy, are deleted from the slice in one commit;
        the old version stays readable.

        Args:
            requests: `REQUESTS`.
        """
        stored = self.read()
        valid = stored.join(requests, on=["item", "repeat", "request_id"], how="semi")
        valid = valid.filter(policy_id=self._constants["policy_id"])
        if valid.height < stored.height:
            self._lake.overwrite(TABLE, valid, **self._slice)
        return requests.join(
            valid, on=["item", "repeat", "request_id"], how="anti", maintain_order="left"
        )

    @contextmanager
    def append_chunks(self) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Yield a function that appends answers (`ANSWERS`)."""
        constants = [
            pl.lit(value, schema_of(TABLE)[name]).alias(name)
            for name, value in self._constants.items()
        ]
        with Chunks(self._lake, TABLE, self._commits) as append:
            yield lambda rows: append(rows.with_columns(constants).select(list(schema_of(TABLE))))

    def replace(self, rows: pl.DataFrame) -> None:
        """Replace the whole slice by its rows with new scores."""
        self._lake.overwrite(TABLE, rows, **self._slice)

    def read(self) -> pl.DataFrame:
        """Read the slice, sorted by subset, item, repeat."""
        return self._lake.read_or_empty(TABLE, **self._slice).sort("subset", "item", "repeat")
