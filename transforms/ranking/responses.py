"""Responses of one slice of the loop: their keys, what is still missing, their joins.

Not here: drawing responses (`training.generation`), pairing them (`transforms.ranking.dpo_pairs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from transforms.identity import digest_settings
from transforms.tables.lake import Lake
from transforms.tables.schemas import SCHEMAS

RESULT_KEYS = ("n", "temperature", "top_p", "max_tokens", "max_context_tokens")
"""Sampling settings that change what is drawn; the others change only how fast."""


def sampling_id(sampling: Mapping[str, Any], seed: int) -> str:
    """Identify how responses are drawn: settings that matter, and the seed."""
    return digest_settings({"seed": seed, **{key: sampling[key] for key in RESULT_KEYS}})


def stamp(rows: pl.DataFrame, **keys: str | int) -> pl.DataFrame:
    """Add constant key columns; `iteration` is Int32 everywhere."""
    return rows.with_columns(
        **{
            name: pl.lit(value, dtype=pl.Int32 if isinstance(value, int) else pl.String)
            for name, value in keys.items()
        }
    )


@dataclass(frozen=True)
class Keys:
    """What every response of one sampling has in common."""

    experiment: str
    iteration: int
    policy_id: str
    sampling_id: str

    def stamp(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the keys to sampled rows: the schema of `generations`."""
        return stamp(rows, **asdict(self)).select(list(SCHEMAS["generations"]))


def missing_prompts(lake: Lake, keys: Keys, splits: Sequence[str]) -> pl.DataFrame:
    """Find the prompts that this policy has not answered with these settings.

    Rows of the slice that another policy or other settings made are removed, in one commit; their
    old version stays readable.

    Returns:
        prompt_id, prompt; sorted by prompt_id. A chunk holds whole prompts, so a prompt is either
        answered n times or not at all.
    """
    wanted = (
        lake.scan("prompt_splits")
        .filter(pl.col("split").is_in(list(splits)))
        .join(lake.scan("prompts"), on="prompt_id")
        .select("prompt_id", "prompt")
        .sort("prompt_id")
        .collect()
    )
    if not lake.exists("generations"):
        return wanted
    in_slice = {"experiment": keys.experiment, "iteration": keys.iteration}
    rows = lake.read("generations", **in_slice)
    current = (pl.col("policy_id") == keys.policy_id) & (pl.col("sampling_id") == keys.sampling_id)
    kept = rows.filter(current).join(wanted, on="prompt_id", how="semi")
    if kept.height < rows.height:
        lake.overwrite("generations", kept, **in_slice)
    return wanted.join(kept, on="prompt_id", how="anti")


def unscored(lake: Lake, ranker_id: str, ranking_id: str, **rows: str | int) -> pl.DataFrame:
    """Find the responses of a slice that a ranker has not scored with its present settings.

    Scores of the slice that another ranker gave, or for responses that are there no more, are
    removed in one commit; their old version stays readable.

    Args:
        lake: the lake.
        ranker_id: of the ranker that is to score them.
        ranking_id: of its settings.
        rows: the slice.

    Returns:
        The rows of `with_prompts` without a score. A pairwise ranker scores whole prompts, so of a
        prompt either all responses are here or none.
    """
    wanted = with_prompts(lake, **rows)
    if not lake.exists("scores"):
        return wanted
    found = lake.read("scores", **rows)
    key = ["prompt_id", "response_index", "policy_id", "sampling_id"]
    kept = found.filter(pl.col("ranker_id") == ranker_id, pl.col("ranking_id") == ranking_id).join(
        wanted.select(key), on=key, how="semi"
    )
    if kept.height < found.height:
        lake.overwrite("scores", kept, **rows)
    return wanted.join(kept, on=key, how="anti", maintain_order="left")


def with_prompts(lake: Lake, **rows: str | int) -> pl.DataFrame:
    """Join a slice's responses with their prompts, sorted by key."""
    return (
        lake.scan("generations", **rows)
        .join(lake.scan("prompts").select("prompt_id", "prompt"), on="prompt_id")
        .sort("prompt_id", "response_index")
        .collect()
    )


def as_responses(pairs: pl.DataFrame) -> pl.DataFrame:
    """Write labelled pairs as responses, to be ranked as those of an iteration are.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists whose last message is the response).

    Returns:
        prompt_id (the pair's), response_index (0 chosen, 1 rejected), prompt, response; all chosen
        sides, then all rejected ones, in the order of `pairs`.
    """
    return pl.concat(
        pairs.select(
            prompt_id="pair_id",
            response_index=pl.lit(index, pl.Int32),
            prompt="prompt",
            response=pl.col(side).list.last().struct.field("content"),
        )
        for index, side in enumerate(("chosen", "rejected"))
    )


def with_origin(rewards: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Add the policy and the sampling of the response to its reward."""
    key = ["prompt_id", "response_index"]
    return rewards.join(scored.select(*key, "policy_id", "sampling_id"), on=key, validate="1:1")


def with_rewards(lake: Lake, **rows: str | int) -> pl.DataFrame:
    """Join a slice's responses with their prompts and rewards, sorted by key."""
    rewards = lake.read("scores", **rows).select("prompt_id", "response_index", "reward")
    return with_prompts(lake, **rows).join(
        rewards, on=["prompt_id", "response_index"], validate="1:1"
    )


def pairs_between(
    lake: Lake, *, experiment: str, iteration: int, first_iteration: int
) -> pl.DataFrame:
    """Read the pairs of an experiment's iterations `first_iteration` ... `iteration`.

    Returns:
        prompt_id, prompt, chosen, rejected; sorted by iteration and prompt_id.
    """
    return (
        lake.scan("dpo_pairs", experiment=experiment)
        .filter(pl.col("iteration").is_between(first_iteration, iteration))
        .sort("iteration", "prompt_id")
        .select("prompt_id", "prompt", "chosen", "rejected")
        .collect()
    )
