"""Responses with a verdict each and no partner: what KTO is trained on (arXiv 2402.01306).

Lives here: which responses are desirable, and the mismatched ones that its KL term is estimated
from. Not here: their log-probabilities, the training (`training.kto`).
"""

import polars as pl

from transforms.identity import FIELD, hash_text
from transforms.pairs.ranked_responses import assistant_turn, rank_responses
from transforms.settings.pairs import PairSettings

SIDES = ("completion", "KL_completion")
"""The responses of a mismatched row, each of which a reference is asked about."""


def label_responses(
    responses: pl.DataFrame, settings: PairSettings, penalty: float, rule: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Label a prompt's responses by their penalised rewards.

    Args:
        responses: those of `dpo_pairs.make_pairs`.
        settings: unit of length, which responses are usable.
        penalty: lambda of eq. 8, reward units a unit of length.
        rule: `best_and_worst` takes these two, the best being desirable; `above_mean` takes all,
            desirable where the reward is above the mean of the prompt's.

    Returns:
        Rows of prompt_id, prompt, completion (message lists) and label (whether the completion is
        desirable), by prompt_id, best first; and the prompts whose responses are all rewarded alike
        (among them those with fewer than two), as row_key, reason, evidence.

    Raises:
        InputError: a reward is NaN or infinite.
    """
    reward, of_prompt = pl.col("penalised_reward"), {"partition_by": "prompt_id"}
    usable = rank_responses(responses, settings, penalty)
    differing = usable.filter(reward.max().over(**of_prompt) > reward.min().over(**of_prompt))
    if rule == "best_and_worst":
        place, last = pl.int_range(pl.len()).over(**of_prompt), pl.len().over(**of_prompt) - 1
        labelled = differing.with_columns(label=place == 0).filter((place == 0) | (place == last))
    else:
        labelled = differing.with_columns(label=reward > reward.mean().over(**of_prompt))
    counts = usable.group_by("prompt_id").len("usable")
    alike = (
        responses.select(pl.col("prompt_id").unique())
        .join(labelled, on="prompt_id", how="anti")
        .join(counts, on="prompt_id", how="left")
        .sort("prompt_id")
    )
    return (
        labelled.select(
            "prompt_id", "prompt", assistant_turn("response").alias("completion"), "label"
        ),
        alike.select(
            row_key="prompt_id",
            reason=pl.lit("equal_reward"),
            evidence=pl.format("{} usable responses", pl.col("usable").fill_null(0)),
        ),
    )


def add_mismatched(rows: pl.DataFrame, batch: int, seed: int) -> pl.DataFrame:
    """Order rows by chance and give each the completion of the row before it in its batch.

    KTO compares a completion's log-ratio with that of completions that belong to other prompts of
    the batch; the first of a batch gets the last one's. Rows of one prompt stand apart unless
    chance puts them together.

    Args:
        rows: prompt_id, prompt, completion, label.
        batch: rows of a forward pass.
        seed: of the order, which depends on nothing else than the rows' content.

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
