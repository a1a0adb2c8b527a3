"""The responses to a prompt of the loop: rewards, chosen and rejected, policy and settings.

Not here: their lineage (`transforms.views.lineage`), their display (`assets.cli.commands.show`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import polars as pl

from transforms.errors import InputError
from transforms.formats import shorten_id
from transforms.lake.asset_names import name_model
from transforms.lake.lake import Lake

PROMPT_DIGITS = 8
"""Digits of a prompt_id that are shown; fewer select a prompt, too."""
SHOWN_NAMES = 5
"""Names in an error message."""


@dataclass(frozen=True)
class Slice:
    """The prompts, responses, scores and pairs of one iteration of one experiment."""

    name: str
    """EXPERIMENT/ITERATION."""
    prompts: pl.DataFrame
    """One row per prompt, by id: prompt_id, prompt, margin (of the widest pair; null: no pair),
    reason (why it has none; null: it has one, or pairs are not made yet)."""
    responses: pl.DataFrame
    """One row per response: the columns of `generations`, reward (null: none yet), ranker."""
    pairs: pl.DataFrame
    """Rows of `dpo_pairs`."""


@dataclass(frozen=True)
class PromptResponses:
    """One prompt with its responses."""

    prompt_id: str
    prompt: list[dict[str, str]]
    """The conversation."""
    reason: str | None
    """Why the prompt has no pair."""
    responses: pl.DataFrame
    """As in `Slice`, and chosen, rejected (bool); the highest reward is first."""
    pairs: pl.DataFrame
    """Rows of `dpo_pairs`."""


def read_slice_prompts(lake: Lake, name: str) -> Slice:
    """Read an iteration.

    Args:
        lake: the lake.
        name: EXPERIMENT/ITERATION; of the baseline of one large sample, `one_shot/1`.

    Raises:
        InputError: it has no responses.
    """
    known = lake.scan_or_empty("generations").select("experiment", "iteration").unique().collect()
    names = known.sort(known.columns).select(pl.format("{}/{}", *known.columns)).to_series()
    if name not in names:
        near = get_close_matches(name, names, SHOWN_NAMES, cutoff=0.4) or names.tail(SHOWN_NAMES)
        raise InputError(
            f"no responses of {name}",
            expected="EXPERIMENT/ITERATION of sampled responses",
            found=f"in the lake: {', '.join(near)}" if len(names) else "no responses at all",
            remedy='prefloop sql "select distinct experiment, iteration from generations"',
        )
    experiment, _, iteration = name.rpartition("/")
    generations, scores, pairs, dropped = (
        lake.read_or_empty(table, experiment=experiment, iteration=int(iteration))
        for table in ("generations", "scores", "dpo_pairs", "dropped_pairs")
    )
    key = ["prompt_id", "response_index"]
    deciding = scores.filter(ranker=_find_ranker(scores, pairs)).select(*key, "ranker", "reward")
    ids = generations.select("prompt_id").unique()
    texts = lake.scan_or_empty("prompts").select("prompt_id", "prompt").unique("prompt_id")
    prompts = (
        ids.join(texts.join(ids.lazy(), on="prompt_id", how="semi").collect(), on="prompt_id")
        .join(pairs.group_by("prompt_id").agg(pl.max("margin")), on="prompt_id", how="left")
        .join(dropped.select("prompt_id", "reason"), on="prompt_id", how="left")
        .sort("prompt_id")
    )
    return Slice(name, prompts, generations.join(deciding, on=key, how="left"), pairs)


def find_prompt(found: Slice, digits: str) -> PromptResponses:
    """Return the prompt whose id begins with some digits.

    Raises:
        InputError: there is none, or there are several.
    """
    rows = found.prompts.filter(pl.col("prompt_id").str.starts_with(digits))
    if rows.height != 1:
        ids = found.prompts["prompt_id"]
        near = rows["prompt_id"] if rows.height else _list_near(digits, ids)
        raise InputError(
            f"{rows.height or 'no'} prompts of {found.name} begin with {digits}",
            expected="the first digits of one prompt_id",
            found=("they are " if rows.height else "ids like it: ")
            + ", ".join(one[: len(digits) + PROMPT_DIGITS] for one in near[:SHOWN_NAMES]),
            remedy=f"prefloop show {found.name} lists prompts",
        )
    row = rows.row(0, named=True)
    pairs = found.pairs.filter(prompt_id=row["prompt_id"])
    responses = (
        found.responses.filter(prompt_id=row["prompt_id"])
        .with_columns(
            pl.col("response_index").is_in(pairs[f"{side}_response_index"].implode()).alias(side)
            for side in ("chosen", "rejected")
        )
        .sort("reward", "response_index", descending=(True, False), nulls_last=True)
    )
    return PromptResponses(row["prompt_id"], row["prompt"], row["reason"], responses, pairs)


def list_examples(found: Slice, rows: int) -> pl.DataFrame:
    """List prompts to look at: those of the largest and the smallest margins, and the first ids.

    Ids are hashes, so the first ones are a random choice that stays the same.

    Returns:
        Rows of `prompts` with the column example: `largest margin`, `smallest margin`, `any`.
        A prompt is listed once.
    """
    paired = found.prompts.filter(pl.col("margin").is_not_null())
    groups = {
        "largest margin": paired.sort("margin", "prompt_id", descending=(True, False)),
        "smallest margin": paired.sort("margin", "prompt_id"),
        "any": found.prompts,
    }
    shown = [frame.head(rows).with_columns(example=pl.lit(name)) for name, frame in groups.items()]
    return pl.concat(shown).unique("prompt_id", keep="first", maintain_order=True)


def describe_model(lake: Lake, checkpoint_id: str) -> str:
    """Return the name of a model and its short id; the id alone if the lake has no such model."""
    rows = lake.read_or_empty("checkpoints", checkpoint_id=checkpoint_id)
    short = shorten_id(checkpoint_id)
    if rows.is_empty():
        return short
    row = rows.row(0, named=True)
    return f"{name_model(row['experiment'], row['asset'])} {short}"


def _find_ranker(scores: pl.DataFrame, pairs: pl.DataFrame) -> str:
    """Return the ranker that made the pairs; the first one if there are no pairs."""
    chosen = pl.col("reward") == pl.col("chosen_reward")
    made = scores.join(
        pairs, left_on=["prompt_id", "response_index"],
        right_on=["prompt_id", "chosen_response_index"],
    ).filter(chosen)  # fmt: skip
    counts = made["ranker"].value_counts(sort=True)["ranker"]
    return next(iter([*counts, *scores["ranker"], ""]))


def _list_near(digits: str, ids: Iterable[str]) -> list[str]:
    """List the ids whose first digits are like some digits; if none is, the first ids."""
    starts = {one[: len(digits)]: one for one in ids}
    near = get_close_matches(digits, starts, SHOWN_NAMES, cutoff=0.5)
    return [starts[one] for one in near] or [*starts.values()]
