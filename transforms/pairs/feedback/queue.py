"""The label queue: the pairs of responses that the preference oracle labels in an iteration.

Choice of pairs for a queue, and which pairs of a queue people have not labelled yet. Not here: the
labels (`transforms.pairs.feedback.labels`). A pair is a comparison of `transforms.pairs.judgments`:
two different texts for one prompt. Its id is a hash of them, so equal pairs are labelled once.
"""

from typing import Literal

import polars as pl

from transforms.errors import InputError
from transforms.identity import FIELD, hash_text
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.labels import PEOPLE
from transforms.pairs.judgments import make_round_robin
from transforms.pairs.ranked_responses import require_finite_rewards

PAIR = ["experiment", "iteration", "pair_id"]
"""Key of a pair, in a queue and in labels."""

PROMPTS_AT_ONCE = 256
"""Prompts whose pairs are in memory with their texts: 40 MB for 8 responses of 3 KB each."""


def list_candidate_pairs(responses: pl.DataFrame) -> pl.DataFrame:
    """List the pairs of different responses of each prompt, with preference probabilities.

    Pairs have no texts, which many pairs would repeat (`add_texts`). The texts that an id is a hash
    of are copied for a few prompts at a time.

    Args:
        responses: prompt_id, response_index, prompt (messages), response, reward (of a
            Bradley-Terry model); one row per response.

    Returns:
        pair_id, prompt_id, first_response_index, second_response_index (of the texts in
        alphabetical order; of responses with equal texts, the first), preference_probability:
        sigmoid(r(first) - r(second)).

    Raises:
        InputError: a reward is not finite.
    """
    require_finite_rewards(responses)
    prompts = responses.select("prompt_id").unique().sort("prompt_id")
    starts = range(0, max(1, prompts.height), PROMPTS_AT_ONCE)
    pairs = pl.concat(
        _match(responses.join(prompts.slice(start, PROMPTS_AT_ONCE), on="prompt_id", how="semi"))
        for start in starts
    )
    for side in ("first", "second"):
        pairs = _join_side(pairs, responses, side, **{f"{side}_reward": "reward"})
    gap = pl.col("first_reward") - pl.col("second_reward")
    return pairs.select(
        "pair_id",
        "prompt_id",
        "first_response_index",
        "second_response_index",
        preference_probability=1 / (1 + (-gap).exp()),
    )


def _match(responses: pl.DataFrame) -> pl.DataFrame:
    """Match the different responses of some prompts: ids and indexes of the pairs."""
    matches = make_round_robin(responses).matches.drop_nulls("comparison_id")
    first_is_left = pl.col("left_is_first")
    return matches.unique("comparison_id", keep="first", maintain_order=True).select(
        "prompt_id",
        pair_id="comparison_id",
        first_response_index=pl.when(first_is_left).then("left").otherwise("right"),
        second_response_index=pl.when(first_is_left).then("right").otherwise("left"),
    )


def add_texts(pairs: pl.DataFrame, responses: pl.DataFrame) -> pl.DataFrame:
    """Add prompt (messages), first and second (texts) to pairs, in their order.

    Args:
        pairs: from `choose_pairs`.
        responses: prompt_id, response_index, prompt, response; one row per response.
    """
    pairs = _join_side(pairs, responses, "first", prompt="prompt", first="response")
    return _join_side(pairs, responses, "second", second="response")


def _join_side(
    pairs: pl.DataFrame, responses: pl.DataFrame, side: str, **columns: str
) -> pl.DataFrame:
    """Add columns of the first or the second response to pairs, in their order."""
    key = {"prompt_id": "prompt_id", f"{side}_response_index": "response_index"}
    of_side = responses.select(**key, **columns)
    return pairs.join(of_side, on=list(key), validate="m:1", maintain_order="left")


def choose_pairs(
    pairs: pl.DataFrame, labels: int, choice: Literal["uncertainty", "random"], seed: int
) -> pl.DataFrame:
    """Choose the pairs of a queue, in their order.

    Args:
        pairs: from `list_candidate_pairs`.
        labels: number of pairs; all, if there are fewer.
        choice: `uncertainty`: the pairs with preference_probability nearest to one half; `random`:
            the pairs with the lowest hash of seed and pair_id. The hash also orders equal pairs.
        seed: seed of the hash.

    Returns:
        The chosen rows, and their place in the queue, from 0.
    """
    key = hash_text(pl.concat_str(pl.lit(str(seed)), "pair_id", separator=FIELD))
    doubt = (pl.col("preference_probability") - 0.5).abs()
    order = [doubt, key] if choice == "uncertainty" else [key]
    chosen = pairs.sort(order).head(labels)
    return chosen.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int32))


def read_queue(lake: Lake, experiment: str, iteration: int) -> pl.DataFrame:
    """Read the queue of an iteration.

    Raises:
        InputError: there is no queue.
    """
    rows = lake.read_or_empty("label_queue", experiment=experiment, iteration=iteration)
    if rows.is_empty():
        raise InputError(
            f"no pairs of {experiment}/{iteration} wait for labels",
            expected="rows of this slice in the table label_queue",
            found="none",
            remedy="run the experiment, in a recipe that sets feedback.oracle to people",
        )
    return rows


def select_unlabelled(lake: Lake, queue: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of a queue that nobody has labelled."""
    labels = lake.read_or_empty("preference_labels", oracle=PEOPLE)
    return queue.join(labels, on=PAIR, how="anti", maintain_order="left")


def require_labels(lake: Lake, queue: pl.DataFrame) -> pl.DataFrame:
    """Read people's labels of a queue.

    Returns:
        Rows of `preference_labels`.

    Raises:
        InputError: pairs have no label yet.
    """
    missing = select_unlabelled(lake, queue)
    if missing.height:
        name = "/".join(map(str, missing.select("experiment", "iteration").row(0)))
        home = f"--lake {lake.root}"
        raise InputError(
            f"{name} waits for people",
            expected=f"a label for each of {queue.height} pairs",
            found=f"{missing.height} pairs without a label",
            remedy=f"prefloop label export {name} --missing {home} > queue.jsonl; let people fill "
            f"it in; prefloop label import queue.jsonl {home}; run again: it continues from here",
        )
    if queue.is_empty():
        return pl.DataFrame(schema=schema_of("preference_labels"))
    return lake.read("preference_labels", oracle=PEOPLE).join(
        queue, on=PAIR, how="semi", maintain_order="left"
    )
