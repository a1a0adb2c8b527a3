"""The training pairs of a reward model's refresh: labelled pairs of the loop, and old pairs.

Not here: training (`training.reward_model`), labels (`transforms.pairs.feedback.labels`).
"""

import polars as pl

from transforms.errors import InputError
from transforms.identity import FIELD, hash_text
from transforms.lake.lake import Lake
from transforms.pairs.feedback.labels import DECIDED, combine_labels
from transforms.pairs.ranked_responses import assistant_turn
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
) -> pl.DataFrame:
    """Read the pairs of a refresh: the experiment's labels so far, `replay` old pairs per label.

    Args:
        lake: the lake.
        experiment: experiment of the labels.
        iteration: last iteration of the labels.
        oracle: gold, judge or people; labels of other oracles are not read.
        mixture: mixture of the old pairs.
        replay: old pairs per label.
        seed: for the choice of old pairs.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected; sorted by pair_id, a hash.

    Raises:
        InputError: no label prefers a response.
    """

    def read_until(table: str) -> pl.DataFrame:
        iterations = range(1, iteration + 1)
        return pl.concat(lake.read(table, experiment=experiment, iteration=t) for t in iterations)

    labels = read_until("preference_labels").filter(oracle=oracle)
    labelled = make_labelled_pairs(read_until("label_queue"), labels)
    if labelled.is_empty():
        raise InputError(
            f"no labels to refresh the reward model of iteration {iteration}",
            expected="labels that prefer one of two responses",
            found=f"{labels.height} labels of {experiment}, all ties or undecided",
            remedy="raise loop.feedback.labels, or set loop.feedback.choice to random",
        )
    count = round(replay * labelled.height)
    if not count:
        return labelled
    old = rows_by_split.list_training_pairs(lake, mixture)
    chosen = choose_replay_pairs(old, count, seed)
    return pl.concat([labelled, rows_by_split.read_pairs(lake, chosen)]).sort("pair_id")


def make_labelled_pairs(queue: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Convert labels to training pairs, without ties and undecided pairs.

    Args:
        queue: pair_id, prompt_id, prompt (messages), first, second (texts).
        labels: pair_id, preferred; labels of pairs outside the queue are ignored.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected (lists of one message), by pair_id.
    """
    decided = combine_labels(labels).filter(pl.col("preferred").is_in(DECIDED))
    first_wins = pl.col("preferred") == "first"
    return (
        queue.join(decided, on="pair_id")
        .sort("pair_id")
        .with_columns(
            chosen=assistant_turn(pl.when(first_wins).then("first").otherwise("second")),
            rejected=assistant_turn(pl.when(first_wins).then("second").otherwise("first")),
        )
        .select(rows_by_split.PAIR)
    )


def choose_replay_pairs(pairs: pl.DataFrame, count: int, seed: int) -> pl.DataFrame:
    """Choose the old pairs with the lowest hash of seed and pair_id; all, if there are fewer."""
    key = hash_text(pl.concat_str(pl.lit(str(seed)), "pair_id", separator=FIELD))
    return pairs.sort(key, maintain_order=True).head(count)
