"""Single responses labelled as desirable or not, the training rows of KTO (arXiv 2402.01306).

It also adds the mismatched responses from which KTO estimates its KL term. Not here: their
log-probabilities, the training (`training.kto`).
"""

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.pairs.ranked_responses import assistant_turn, rank_responses
from transforms.settings.pairs import PairSettings

SIDES = ("completion", "KL_completion")
"""The responses of a row; each needs a log-probability under the reference."""


def label_responses(
    responses: pl.DataFrame, settings: PairSettings, penalty: float, rule: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Label responses as desirable or not by their penalised rewards.

    Args:
        responses: as for `dpo_pairs.make_pairs`.
        settings: unit of length, which responses are usable.
        penalty: lambda of eq. 8, reward units per unit of length.
        rule: `best_and_worst` keeps the best response (desirable) and the worst (not desirable) of
            each prompt; `above_mean` keeps all, and a response is desirable if its reward is above
            the mean of its prompt.

    Returns:
        prompt_id, prompt, completion (message lists) and label (whether the completion is
        desirable), by prompt_id, best first; and the prompts whose responses all have the same
        reward (also those with fewer than two responses), as row_key, reason, evidence.

    Raises:
        InputError: a reward is NaN or infinite.
    """
    reward = pl.col("penalised_reward")
    usable = rank_responses(responses, settings, penalty)
    differing = usable.filter(reward.max().over("prompt_id") > reward.min().over("prompt_id"))
    if rule == "best_and_worst":
        place, last = pl.int_range(pl.len()).over("prompt_id"), pl.len().over("prompt_id") - 1
        labelled = differing.with_columns(label=place == 0).filter((place == 0) | (place == last))
    else:
        labelled = differing.with_columns(label=reward > reward.mean().over("prompt_id"))
    counts = usable.group_by("prompt_id").len("usable")
    alike = (
        responses.select(pl.col("prompt_id").unique())
        .join(labelled, on="prompt_id", how="anti")
        .join(counts, on="prompt_id", how="left")
        .sort("prompt_id")
    )
    return (
        labelled.select(
            "prompt_id", "prompt", assistant_turn(pl.col("response")).alias("completion"), "label"
        ),
        alike.select(
            row_key="prompt_id",
            reason=pl.lit("equal_reward"),
            evidence=pl.format("{} usable responses", pl.col("usable").fill_null(0)),
        ),
    )


def add_mismatched(rows: pl.DataFrame, batch: int, seed: int) -> pl.DataFrame:
    """Shuffle rows, and add to each the completion of the row before it in its batch.

    KTO compares the log-ratio of a completion with those of completions of other prompts of the
    batch. The first row of a batch gets the completion of the last. After the shuffle, rows of one
    prompt are next to each other only by chance.

    Args:
        rows: prompt_id, prompt, completion, label.
        batch: rows per forward pass.
        seed: seed of the order, which depends only on the seed and the content of the rows.

    Returns:
        The rows with KL_completion, a message list.
    """
    text = pl.col("completion").list.last().struct.field("content")
    order = hash_text(
        pl.concat_str(pl.lit(f"{seed}"), pl.lit(FIELD), "prompt_id", pl.lit(FIELD), text)
    )
    shuffled = rows.with_columns(order=order).sort("order", "label").drop("order")
    place = pl.int_range(pl.len())
    end = pl.min_horizontal((place // batch + 1) * batch, pl.len()) - 1
    before = pl.when(place % batch == 0).then(end).otherwise(place - 1)
    return shuffled.with_columns(KL_completion=pl.col("completion").gather(before))
