"""Responses of a slice of the loop: their keys, missing ones, joins with prompts and rewards.

Not here: sampling responses (`training.generation`), pairing them (`transforms.pairs.dpo_pairs`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from transforms.identity import digest, digest_settings, hash_text
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.sampler_places import Draw, list_places
from transforms.pairs.score_components import KEY, Identity, keep_components

SAMPLER_KEYS = ("n", "temperature", "top_p")
LIMIT_KEYS = ("max_tokens", "max_context_tokens")
"""Sampling settings that change the responses; the others change only the speed."""


def make_sampling_id(sampling: Mapping[str, Any], seed: int, draws: Sequence[Draw] = ()) -> str:
    """Return the id of a way to sample: a hash of the settings that matter, and the seed.

    Args:
        sampling: the settings.
        seed: seed of the engine.
        draws: all draws of the engine, if the settings have samplers. All are part of the id
            because one stream of random numbers serves all of them; so are their indices, which are
            part of the key of a response.
    """
    keys = LIMIT_KEYS if draws else SAMPLER_KEYS + LIMIT_KEYS
    samplers = {"samplers": [draw._asdict() for draw in draws]} if draws else {}
    return digest_settings({"seed": seed, **samplers, **{key: sampling[key] for key in keys}})


@dataclass(frozen=True)
class Keys:
    """Key columns that all responses of one engine share, and its draws."""

    experiment: str
    iteration: int
    policy_id: str
    sampling_id: str
    draws: Sequence[Draw]
    n: int
    """Responses per prompt, over all samplers of the iteration."""

    @property
    def slice(self) -> dict[str, str | int]:
        """Return the slice of the responses in the tables of the loop."""
        return {"experiment": self.experiment, "iteration": self.iteration}

    def add_to(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the keys to sampled rows; return rows of `generations`.

        Args:
            rows: response_index 0..m-1 over all draws of the engine, and the other columns.
        """
        placed = rows.rename({"response_index": "drawn_index"}).join(
            list_places(self.draws), on="drawn_index", validate="m:1", maintain_order="left"
        )
        keys = {name: getattr(self, name) for name in ("policy_id", "sampling_id", "n")}
        return add_keys(placed, **self.slice, **keys).select(list(schema_of("generations")))


def read_prompts_of_splits(lake: Lake, splits: Sequence[str]) -> pl.DataFrame:
    """Read the prompts of some splits: prompt_id, prompt; sorted by prompt_id."""
    return (
        lake.scan("prompt_splits")
        .filter(pl.col("split").is_in(list(splits)))
        .join(lake.scan("prompts"), on="prompt_id")
        .select("prompt_id", "prompt")
        .sort("prompt_id")
        .collect()
    )


def read_with_references(lake: Lake, splits: Sequence[str]) -> pl.DataFrame:
    """Read the prompts of some splits: prompt_id, prompt, reference; sorted by prompt_id."""
    prompts = read_prompts_of_splits(lake, splits)
    references = lake.scan("prompts").select("prompt_id", "reference").collect()
    return prompts.join(references, on="prompt_id", how="left", maintain_order="left")


def hash_references(lake: Lake) -> str:
    """Hash the references of all prompts to 32 hexadecimal digits."""
    rows = lake.scan("prompts").select("prompt_id", "reference").drop_nulls("reference")
    digests = rows.select("prompt_id", hash_text(pl.col("reference"))).sort("prompt_id").collect()
    return digest("".join(map("".join, digests.iter_rows())))


def find_missing_prompts(
    lake: Lake, keys: Sequence[Keys], splits: Sequence[str]
) -> list[pl.DataFrame]:
    """Find the prompts to which each policy of an iteration has no responses yet.

    Rows of the slice from another policy or other settings are removed in one commit; the old
    version stays readable.

    Args:
        lake: the lake.
        keys: one per policy, all of one slice.
        splits: splits of the prompts.

    Returns:
        For each of the keys, prompt_id and prompt, sorted by prompt_id. A chunk contains whole
        prompts, so a prompt has either all responses of a policy or none.
    """
    wanted = read_prompts_of_splits(lake, splits)
    if not lake.exists("generations"):
        return [wanted for _ in keys]
    rows = lake.read("generations", **keys[0].slice)
    makers = pl.DataFrame(
        [(one.policy_id, one.sampling_id) for one in keys],
        schema={"policy_id": pl.String, "sampling_id": pl.String},
        orient="row",
    )
    kept = rows
    for right, columns in ((makers, makers.columns), (wanted, ["prompt_id"])):
        kept = kept.join(right, on=columns, how="semi", maintain_order="left")
    if kept.height < rows.height:
        lake.overwrite("generations", kept, **keys[0].slice)
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
    """Find the prompts that need a round of adaptive n.

    Rows of the slice from another policy or other settings are removed, as in
    `find_missing_prompts`. The first round is due for prompts without a response, a later round for
    prompts that have all earlier rounds and do not stop yet.

    Args:
        lake: the lake.
        keys: keys of the round; first_index of its only draw is the number of earlier responses.
        splits: splits of the prompts.
        stopped: `transforms.pairs.adaptive.find_stops` of the responses so far; empty at first.

    Returns:
        prompt_id, prompt; sorted by prompt_id.
    """
    (unanswered,) = find_missing_prompts(lake, [keys], splits)
    (draw,) = keys.draws
    if draw.first_index == 0:
        return unanswered
    due = (
        lake.scan("generations", **keys.slice)
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


def find_unscored(
    lake: Lake,
    ranker_id: str,
    ranking_id: str,
    components: Collection[Identity] = (),
    **rows: str | int,
) -> pl.DataFrame:
    """Find the responses of a slice that a ranker has not scored with its current settings.

    Scores of the slice from another ranker, or of responses that no longer exist, are removed in
    one commit, and so are components of other parts; the old version stays readable.

    Args:
        lake: the lake.
        ranker_id: id of the ranker.
        ranking_id: id of its settings.
        components: the parts of the ranker, if it is a weighted sum.
        rows: the slice.

    Returns:
        The rows of `read_with_prompts` without a score. A pairwise ranker scores whole prompts, so
        all responses of a prompt are returned or none.
    """
    wanted = read_with_prompts(lake, **rows)
    keep_components(lake, wanted, components, **rows)
    if not lake.exists("scores"):
        return wanted
    found = lake.read("scores", **rows)
    kept = found.filter(ranker_id=ranker_id, ranking_id=ranking_id).join(
        wanted.select(KEY), on=KEY, how="semi", maintain_order="left"
    )
    if kept.height < found.height:
        lake.overwrite("scores", kept, **rows)
    return wanted.join(kept, on=KEY, how="anti", maintain_order="left")


def read_with_prompts(lake: Lake, **rows: str | int) -> pl.DataFrame:
    """Read the responses of a slice with their prompts and references, sorted by key."""
    prompts = lake.scan("prompts").select("prompt_id", "prompt", "reference")
    return (
        lake.scan("generations", **rows)
        .join(prompts, on="prompt_id")
        .sort("prompt_id", "response_index")
        .collect()
    )


def convert_to_responses(pairs: pl.DataFrame) -> pl.DataFrame:
    """Convert labelled pairs to responses, so that rankers can score them.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists whose last message is the response).

    Returns:
        prompt_id (the pair_id), response_index (0 chosen, 1 rejected), prompt, response; all chosen
        sides, then all rejected sides, in the order of `pairs`.
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


def convert_to_pair_rewards(pairs: pl.DataFrame, scored: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Convert rewards of the rows of `convert_to_responses` to rewards of pairs.

    Args:
        pairs: the pairs; pair_id is unique.
        scored: chunks of prompt_id (the pair_id), response_index, reward, in any order.

    Returns:
        pair_id, chosen_reward, rejected_reward; in the order of `pairs`.
    """
    schema = pl.Schema({"prompt_id": pl.String, "response_index": pl.Int32, "reward": pl.Float64})
    chunks = [chunk.select(list(schema)).cast(schema) for chunk in scored]
    rewards = pl.concat([pl.DataFrame(schema=schema), *chunks])
    joined = pairs.select("pair_id")
    for index, side in enumerate(("chosen", "rejected")):
        of_side = rewards.filter(response_index=index).select(
            pl.col("prompt_id").alias("pair_id"), pl.col("reward").alias(f"{side}_reward")
        )
        joined = joined.join(
            of_side, on="pair_id", how="left", maintain_order="left", validate="1:1"
        )
    return joined


def add_origin(rewards: pl.DataFrame, scored: pl.DataFrame) -> pl.DataFrame:
    """Add policy_id and sampling_id of the response to each reward."""
    key = ["prompt_id", "response_index"]
    return rewards.join(scored.select(*key, "policy_id", "sampling_id"), on=key, validate="1:1")


def read_with_rewards(lake: Lake, **rows: str | int) -> pl.DataFrame:
    """Read the responses of a slice with their prompts and rewards, sorted by key."""
    scores = lake.read("scores", **rows)
    rewards = scores.select("prompt_id", "response_index", "reward")
    return read_with_prompts(lake, **rows).join(
        rewards, on=["prompt_id", "response_index"], validate="1:1", maintain_order="left"
    )


def read_pairs_between(
    lake: Lake, *, experiment: str, iteration: int, first_iteration: int
) -> pl.DataFrame:
    """Read the pairs of the iterations `first_iteration` ... `iteration` of an experiment.

    Returns:
        prompt_id, prompt, chosen, rejected; sorted by iteration, prompt_id and responses.
    """
    return pl.concat(
        lake.scan("dpo_pairs", experiment=experiment, iteration=one)
        .sort("prompt_id", "chosen_response_index", "rejected_response_index")
        .select("prompt_id", "prompt", "chosen", "rejected")
        .collect()
        for one in range(first_iteration, iteration + 1)
    )
