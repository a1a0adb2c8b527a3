"""The pairs that a reward model is refreshed on: labels of the loop, and old pairs mixed in.

Not here: training (`training.reward_model`), labels (`transforms.pairs.feedback.labels`).
"""

from collections.abc import Mapping

import polars as pl

from transforms.errors import InputError
from transforms.identity import FIELD, hash_text
from transforms.lake.lake import Lake
from transforms.lake.schemas.columns import MESSAGES
from transforms.pairs.feedback.labels import DECIDED, combine_labels
from transforms.prompts import rows_by_split


def read_refresh_pairs(
    lake: Lake,
    *,
    experiment: str,
    iteration: int,
    oracle: str,
    mixture: str,
    replay: float,
    seed: int,
    versions: Mapping[str, int] | None = None,
) -> pl.DataFrame:
    """Read the pairs of an iteration's refresh: all labels so far, `replay` old pairs for each.

    Args:
        lake: the lake.
        experiment: whose labels.
        iteration: the last one whose labels are read.
        oracle: gold, judge or people; labels of the others stay out.
        mixture: of the old pairs.
        replay: old pairs a label.
        seed: of the draw of old pairs.
        versions: versions of tables to read; the last where a table is not named.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected; sorted by pair_id, a hash.

    Raises:
        InputError: no label prefers a response.
    """
    at = versions or {}

    def until(table: str) -> pl.LazyFrame:
        rows = lake.scan(table, at.get(table), experiment=experiment)
        return rows.filter(pl.col("iteration") <= iteration)

    labels = until("preference_labels").filter(oracle=oracle).collect()
    labelled = make_labelled_pairs(until("label_queue").collect(), labels)
    if labelled.is_empty():
        raise InputError(
            f"nothing to refresh the reward model of iteration {iteration} on",
            expected="labels that prefer one of two responses",
            found=f"{labels.height} labels of {experiment}, each a tie or undecided",
            remedy="raise loop.feedback.labels, or set loop.feedback.choice to random",
        )
    old = rows_by_split.select_training_pairs(
        lake.read("preference_pairs", at.get("preference_pairs")),
        lake.read("mixture_pairs", at.get("mixture_pairs"), mixture=mixture),
    )
    replayed = choose_replay_pairs(old, round(replay * labelled.height), seed)
    return pl.concat([labelled, replayed]).sort("pair_id")


def make_labelled_pairs(queue: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Write labels as comparisons; ties and undecided pairs are left out.

    Args:
        queue: pair_id, prompt_id, prompt (messages), first, second (texts).
        labels: pair_id, preferred; those of pairs that are not in the queue are left out.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected (lists of one message), by pair_id.
    """
    decided = combine_labels(labels).filter(pl.col("preferred").is_in(DECIDED))
    first_wins = pl.col("preferred") == "first"

    def turn(text: pl.Expr) -> pl.Expr:
        return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=text)).cast(MESSAGES)

    return (
        queue.join(decided, on="pair_id")
        .sort("pair_id")
        .with_columns(
            chosen=turn(pl.when(first_wins).then("first").otherwise("second")),
            rejected=turn(pl.when(first_wins).then("second").otherwise("first")),
        )
        .select(rows_by_split.PAIR)
    )


def choose_replay_pairs(pairs: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """Draw old pairs: those with the lowest hash of seed and pair_id; all where there are fewer."""
    drawn = hash_text(pl.concat_str(pl.lit(str(seed)), "pair_id", separator=FIELD))
    return pairs.sort(drawn, maintain_order=True).head(count)
