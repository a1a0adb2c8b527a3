"""Responses of one slice of the loop: their keys, what is still missing, their joins.

Not here: drawing responses (`training.generation`), pairing them (`transforms.pairs.dpo_pairs`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import polars as pl

from transforms.identity import digest_settings
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.sampler_places import Draw, list_places

SAMPLER_KEYS = ("n", "temperature", "top_p")
LIMIT_KEYS = ("max_tokens", "max_context_tokens")
"""Sampling settings that change what is drawn; the others change only how fast."""

NEWEST: Mapping[str, int] = MappingProxyType({})
"""Delta versions of tables, none of them named: the newest of each."""


def make_sampling_id(sampling: Mapping[str, Any], seed: int, draws: Sequence[Draw] = ()) -> str:
    """Identify how an engine draws responses: settings that matter, and the seed.

    Args:
        sampling: the settings.
        seed: of the engine.
        draws: what the engine draws, where the settings name samplers: all of it, as one stream of
            random numbers serves all; their places, as they are part of a response's key.
    """
    keys = LIMIT_KEYS if draws else SAMPLER_KEYS + LIMIT_KEYS
    named = {"samplers": [draw._asdict() for draw in draws]} if draws else {}
    return digest_settings({"seed": seed, **named, **{key: sampling[key] for key in keys}})


@dataclass(frozen=True)
class Keys:
    """What the responses of one engine have in common: one policy, and all it draws."""

    experiment: str
    iteration: int
    policy_id: str
    sampling_id: str
    draws: Sequence[Draw]
    """What the engine draws."""
    n: int
    """Responses per prompt, over all samplers of the iteration."""

    def stamp(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the keys to sampled rows: the schema of `generations`.

        Args:
            rows: response_index 0..m-1 over the draws, as the engine counts, and the other columns.
        """
        placed = rows.rename({"response_index": "drawn_index"}).join(
            list_places(self.draws), on="drawn_index", validate="m:1", maintain_order="left"
        )
        keys = {name: getattr(self, name) for name in ("policy_id", "sampling_id", "n")}
        return add_keys(
            placed, experiment=self.experiment, iteration=self.iteration, **keys
        ).select(list(schema_of("generations")))


def read_prompts_of_splits(
    lake: Lake, splits: Sequence[str], versions: Mapping[str, int] = NEWEST
) -> pl.DataFrame:
    """Read the prompts of some splits: prompt_id, prompt; sorted by prompt_id."""
    return (
        lake.scan("prompt_splits", versions.get("prompt_splits"))
        .filter(pl.col("split").is_in(list(splits)))
        .join(lake.scan("prompts", versions.get("prompts")), on="prompt_id")
        .select("prompt_id", "prompt")
        .sort("prompt_id")
        .collect()
    )


def find_missing_prompts(
    lake: Lake, keys: Sequence[Keys], splits: Sequence[str]
) -> list[pl.DataFrame]:
    """Find the prompts that each policy of an iteration has not answered with these settings.

    Rows of the slice that another policy or other settings made are removed, in one commit; their
    old version stays readable.

    Args:
        lake: the lake.
        keys: one a policy, all of one slice.
        splits: those whose prompts are sampled.

    Returns:
        For each of the keys, prompt_id and prompt, sorted by prompt_id. A chunk holds whole
        prompts, so a policy has given a prompt either all of its responses or none.
    """
    wanted = read_prompts_of_splits(lake, splits)
    if not lake.exists("generations"):
        return [wanted for _ in keys]
    in_slice = {"experiment": keys[0].experiment, "iteration": keys[0].iteration}
    rows = lake.read("generations", **in_slice)
    makers = pl.DataFrame(
        [(one.policy_id, one.sampling_id) for one in keys],
        schema={"policy_id": pl.String, "sampling_id": pl.String},
        orient="row",
    )
    kept = rows.join(makers, on=makers.columns, how="semi").join(wanted, on="prompt_id", how="semi")
    if kept.height < rows.height:
        lake.overwrite("generations", kept, **in_slice)
    return [
        wanted.join(
            kept.filter(policy_id=one.policy_id, sampling_id=one.sampling_id),
            on="prompt_id",
            how="anti",
            maintain_order="left",
        )
        for one in keys
    ]


def find_due_prompts(
    lake: Lake, keys: Keys, splits: Sequence[str], stopped: pl.DataFrame
) -> pl.DataFrame:
    """Find the prompts that a round of adaptive n has still to reach.

    Rows of the slice that another policy or other settings made are removed, as in
    `find_missing_prompts`. Rounds follow each other: the first is due for prompts without a
    response, a later one for prompts that have all earlier rounds and do not stop yet.

    Args:
        lake: the lake.
        keys: of the round; its one draw's first_index is the number of responses before it.
        splits: those whose prompts are sampled.
        stopped: `transforms.pairs.adaptive.find_stops` of the responses so far; empty at first.

    Returns:
        prompt_id, prompt; sorted by prompt_id.
    """
    (unanswered,) = find_missing_prompts(lake, [keys], splits)
    (draw,) = keys.draws
    if draw.first_index == 0:
        return unanswered
    in_slice = {"experiment": keys.experiment, "iteration": keys.iteration}
    due = (
        lake.scan("generations", **in_slice)
        .group_by("prompt_id")
        .len()
        .filter(pl.col("len") == draw.first_index)
        .join(stopped.lazy().filter(pl.col("responses") > draw.first_index), on="prompt_id")
    )
    return (
        lake.scan("prompts")
        .select("prompt_id", "prompt")
        .join(due, on="prompt_id", how="semi")
        .sort("prompt_id")
        .collect()
    )


def find_unscored(lake: Lake, ranker_id: str, ranking_id: str, **rows: str | int) -> pl.DataFrame:
    """Find the responses of a slice that a ranker has not scored with its present settings.

    Scores of the slice that another ranker gave, or for responses that are there no more, are
    removed in one commit; their old version stays readable.

    Args:
        lake: the lake.
        ranker_id: of the ranker that is to score them.
        ranking_id: of its settings.
        rows: the slice.

    Returns:
        The rows of `read_with_prompts` without a score. A pairwise ranker scores whole prompts, so
        either all responses of a prompt are here or none.
    """
    wanted = read_with_prompts(lake, **rows)
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


def read_with_prompts(
    lake: Lake, versions: Mapping[str, int] = NEWEST, /, **rows: str | int
) -> pl.DataFrame:
    """Join a slice's responses with their prompts, sorted by key."""
    prompts = lake.scan("prompts", versions.get("prompts")).select("prompt_id", "prompt")
    return (
        lake.scan("generations", versions.get("generations"), **rows)
        .join(prompts, on="prompt_id")
        .sort("prompt_id", "response_index")
        .collect()
    )


def convert_to_responses(pairs: pl.DataFrame) -> pl.DataFrame:
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


def add_origin(rewards: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Add the policy and the sampling of the response to its reward."""
    key = ["prompt_id", "response_index"]
    return rewards.join(scored.select(*key, "policy_id", "sampling_id"), on=key, validate="1:1")


def read_with_rewards(
    lake: Lake, versions: Mapping[str, int] = NEWEST, /, **rows: str | int
) -> pl.DataFrame:
    """Join a slice's responses with their prompts and rewards, sorted by key."""
    scores = lake.read("scores", versions.get("scores"), **rows)
    rewards = scores.select("prompt_id", "response_index", "reward")
    return read_with_prompts(lake, versions, **rows).join(
        rewards, on=["prompt_id", "response_index"], validate="1:1"
    )


def read_pairs_between(
    lake: Lake, version: int | None = None, *, experiment: str, iteration: int, first_iteration: int
) -> pl.DataFrame:
    """Read the pairs of an experiment's iterations `first_iteration` ... `iteration`.

    Returns:
        prompt_id, prompt, chosen, rejected; sorted by iteration, prompt_id and responses.
    """
    return (
        lake.scan("dpo_pairs", version, experiment=experiment)
        .filter(pl.col("iteration").is_between(first_iteration, iteration))
        .sort("iteration", "prompt_id", "chosen_response_index", "rejected_response_index")
        .select("prompt_id", "prompt", "chosen", "rejected")
        .collect()
    )
