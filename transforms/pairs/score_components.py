"""Parts of a weighted sum of rewards, or of an ensemble's reward: stored one by one, then added.

Each part is committed as it is scored, so that a killed run continues with the missing ones. The
reward of a part depends on the part alone: a changed weight, or a further part, leaves the stored
rewards of the others as they are, and they are added again. Not here: computing a part
(`training`), the sum as a ranker (`assets.loop.ranking.weighted_sum`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import polars as pl

from transforms.lake.chunks import Chunks
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.commits import DEFAULT_COMMITS, CommitSettings

TABLE = "score_components"
KEY = ["prompt_id", "response_index", "policy_id", "sampling_id"]


class Identity(NamedTuple):
    """The columns that identify a part: with another value, its stored rewards are others."""

    component: str
    """Name of the part."""
    component_id: str
    """Its ranker_id."""
    component_ranking_id: str
    """Its ranking_id."""


class Component:
    """One part of a sum, for the responses of one slice."""

    def __init__(
        self,
        lake: Lake,
        identity: Identity,
        ranker: str,
        weight: float,
        commits: CommitSettings = DEFAULT_COMMITS,
    ) -> None:
        """Store what identifies the rows.

        Args:
            lake: the lake.
            identity: the part.
            ranker: name of the sum.
            weight: its weight in the sum.
            commits: when rewards are committed.
        """
        self._lake, self._commits = lake, commits
        self.identity = identity
        self._sum = {"ranker": pl.lit(ranker), "weight": pl.lit(weight, pl.Float64)}

    def find_missing(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the responses that this part has not scored, in order."""
        stored = _read_slice(self._lake, rows).filter(**self.identity._asdict())
        return rows.join(stored, on=KEY, how="anti", maintain_order="left")

    @contextmanager
    def append_chunks(self, rows: pl.DataFrame) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Yield a function that appends rewards of some responses.

        Its argument has prompt_id, response_index, reward.

        Args:
            rows: the responses that are scored, as in `find_missing`.
        """
        keys = rows.select("experiment", "iteration", *KEY)
        columns = {
            name: pl.lit(value) for name, value in self.identity._asdict().items()
        } | self._sum
        with Chunks(self._lake, TABLE, self._commits) as append:

            def commit(rewards: pl.DataFrame) -> None:
                scored = rewards.join(keys, on=KEY[:2], validate="1:1", maintain_order="left")
                append(scored.with_columns(**columns).select(list(schema_of(TABLE))))

            yield commit


def keep_components(
    lake: Lake, rows: pl.DataFrame, parts: Collection[Identity], **slice_: str | int
) -> None:
    """Remove the stored parts of a slice that its rewards no longer have, in one commit.

    Args:
        lake: the lake.
        rows: the responses of the slice.
        parts: the present parts; none for a ranker that is no sum.
        slice_: the slice.
    """
    stored = lake.read_or_empty(TABLE, **slice_)
    present = pl.DataFrame(list(parts), dict.fromkeys(Identity._fields, pl.String), orient="row")
    kept = stored.join(rows, on=KEY, how="semi", maintain_order="left").join(
        present, on=list(Identity._fields), how="semi", maintain_order="left"
    )
    if kept.height < stored.height:
        lake.overwrite(TABLE, kept, **slice_)


def set_weights(lake: Lake, rows: pl.DataFrame, ranker: str, weights: Mapping[str, float]) -> None:
    """Write the present weights to the stored parts of a slice, in one commit, if they differ.

    Args:
        lake: the lake.
        rows: responses of the slice.
        ranker: name of the sum.
        weights: weights by part.
    """
    stored = _read_slice(lake, rows)
    weight = pl.col("component").replace_strict(dict(weights), return_dtype=pl.Float64)
    kept = stored.filter(pl.col("component").is_in(list(weights)))
    weighted = kept.with_columns(weight=weight, ranker=pl.lit(ranker))
    if not weighted.equals(stored):
        experiment, iteration = rows.select("experiment", "iteration").row(0)
        lake.overwrite(TABLE, weighted, experiment=experiment, iteration=iteration)


def sum_components(
    lake: Lake, rows: pl.DataFrame, weights: Mapping[str, float], parts: Collection[Identity]
) -> pl.DataFrame:
    """Add the stored parts of responses.

    Args:
        lake: the lake.
        rows: the responses, all of one slice.
        weights: weights by part.
        parts: the parts.

    Returns:
        prompt_id, response_index, reward; in the order of `rows`.
    """
    wide = read_components(lake, rows, parts)
    return wide.select(*KEY[:2], reward=_weigh(weights))


def read_components(lake: Lake, rows: pl.DataFrame, parts: Iterable[Identity]) -> pl.DataFrame:
    """Read the stored parts of responses: the key, and one column of rewards per part.

    Args:
        lake: the lake.
        rows: the responses, all of one slice.
        parts: the parts.
    """
    stored = _read_slice(lake, rows)
    wide = rows.select(KEY)
    for identity in parts:
        name = identity.component
        found = stored.filter(**identity._asdict())
        part = found.select(*KEY, pl.col("reward").alias(name))
        wide = wide.join(part, on=KEY, how="left", validate="1:1", maintain_order="left")
    return wide


def add_rewards(scored: Mapping[str, pl.Series], weights: Mapping[str, float]) -> pl.Series:
    """Add the rewards of the same responses by each part, times their weights."""
    return pl.DataFrame(dict(scored)).select(reward=_weigh(weights))["reward"]


def sum_pair_rewards(
    scored: Mapping[str, tuple[pl.DataFrame, pl.DataFrame]], weights: Mapping[str, float]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Add the rewards of labelled pairs.

    Args:
        scored: of each part, the two frames of `assets.loop.ranking.ranker.Ranker.pair_rewards`.
        weights: weights by part.

    Returns:
        Rewards of the pairs that every part has scored, and the others with the first reason.
    """
    sides = []
    for side in ("chosen_reward", "rejected_reward"):
        wide = None
        for name, (rewards, _) in scored.items():
            part = rewards.select("pair_id", pl.col(side).alias(name))
            wide = (
                part
                if wide is None
                else wide.join(part, on="pair_id", validate="1:1", maintain_order="left")
            )
        if wide is None:
            raise ValueError("a sum has no parts")
        sides.append(wide.select("pair_id", _weigh(weights).alias(side)))
    without = pl.concat([left_out for _, left_out in scored.values()])
    return (
        sides[0].join(sides[1], on="pair_id", maintain_order="left"),
        without.unique("row_key", keep="first", maintain_order=True),
    )


def _read_slice(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    """Read the stored parts of the slice of some responses."""
    if rows.is_empty():
        return pl.DataFrame(schema=schema_of(TABLE))
    experiment, iteration = rows.select("experiment", "iteration").row(0)
    return lake.read_or_empty(TABLE, experiment=experiment, iteration=iteration)


def _weigh(weights: Mapping[str, float]) -> pl.Expr:
    """Add the columns of the parts times their weights; null if a part is null."""
    # in the order of names: the order of parts in a recipe changes no sum
    first, *others = [pl.col(name) * weight for name, weight in sorted(weights.items())]
    for other in others:
        first = first + other
    return first
