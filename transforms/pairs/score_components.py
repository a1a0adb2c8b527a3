"""Parts of a weighted sum of rewards: stored one by one, then added.

Each part is committed as it is scored, so that a killed run continues with the missing ones. Not
here: computing a part (`training`), the sum as a ranker (`assets.loop.ranking.weighted_sum`).
"""

from collections.abc import Mapping

import polars as pl

from transforms.lake.lake import Chunks, Lake
from transforms.lake.schemas import schema_of

TABLE = "score_components"
KEY = ["prompt_id", "response_index", "policy_id", "sampling_id"]


class Component:
    """One part of a sum, for the responses of one slice."""

    def __init__(
        self, lake: Lake, name: str, component_id: str, weight: float, keys: Mapping[str, str]
    ) -> None:
        """Store what identifies the rows.

        Args:
            lake: the lake.
            name: name of the part.
            component_id: its ranker_id.
            weight: its weight in the sum.
            keys: ranker, ranker_id and ranking_id of the sum.
        """
        self._lake = lake
        self._chunks = Chunks(lake, TABLE)
        self._columns = {
            **{column: pl.lit(value) for column, value in keys.items()},
            "component": pl.lit(name),
            "component_id": pl.lit(component_id),
            "weight": pl.lit(weight, pl.Float64),
        }
        self._same = {**keys, "component": name, "component_id": component_id}

    def find_missing(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the responses that this part has not scored, in order."""
        stored = _read_slice(self._lake, rows).filter(**self._same)
        return rows.join(stored, on=KEY, how="anti", maintain_order="left")

    def commit(self, rows: pl.DataFrame, rewards: pl.DataFrame) -> None:
        """Append rewards of some responses.

        Args:
            rows: the responses that are scored, as in `find_missing`.
            rewards: prompt_id, response_index, reward.
        """
        keys = rows.select("experiment", "iteration", *KEY)
        scored = rewards.join(keys, on=KEY[:2], validate="1:1", maintain_order="left")
        self._chunks(scored.with_columns(**self._columns).select(list(schema_of(TABLE))))


def sum_components(
    lake: Lake, rows: pl.DataFrame, weights: Mapping[str, float], keys: Mapping[str, str]
) -> pl.DataFrame:
    """Add the stored parts of responses.

    Args:
        lake: the lake.
        rows: the responses, all of one slice.
        weights: weights by part.
        keys: ranker, ranker_id and ranking_id of the sum.

    Returns:
        prompt_id, response_index, reward; in the order of `rows`.
    """
    stored = _read_slice(lake, rows).filter(**keys)
    wide = rows.select(KEY)
    for name in weights:
        part = stored.filter(component=name).select(*KEY, pl.col("reward").alias(name))
        wide = wide.join(part, on=KEY, how="left", validate="1:1", maintain_order="left")
    return wide.select(*KEY[:2], reward=_weigh(weights))


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
    if rows.is_empty() or not lake.exists(TABLE):
        return pl.DataFrame(schema=schema_of(TABLE))
    experiment, iteration = rows.select("experiment", "iteration").row(0)
    return lake.read(TABLE, experiment=experiment, iteration=iteration)


def _weigh(weights: Mapping[str, float]) -> pl.Expr:
    """Add the columns of the parts times their weights; null if a part is null."""
    # in the order of names: the order of parts in a recipe changes no sum
    first, *others = [pl.col(name) * weight for name, weight in sorted(weights.items())]
    for other in others:
        first = first + other
    return first
