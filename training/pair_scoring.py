"""Both sides of labelled comparisons through a reward model, to measure its accuracy.

Lives here: the rewards of a pair, and pairs too long to be read. Not here: scoring
(`training.scoring`), accuracies (`transforms.measures.reward_accuracy`).
"""

from pathlib import Path

import polars as pl

from training.rendering import conversation_token_ids, load_tokenizer
from training.scoring import score
from training.settings.scoring import ScoringSettings
from transforms.ranking.responses import as_responses


def score_pairs(
    pairs: pl.DataFrame, reward_model: Path, settings: ScoringSettings, *, dtype: str
) -> pl.DataFrame:
    """Score both sides of comparisons, to measure a reward model's accuracy.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message).
        reward_model: folder of a sequence classifier with one label.
        settings: batch_tokens and chunk_rows.
        dtype: dtype of the weights.

    Returns:
        pair_id, chosen_reward, rejected_reward; in the order of `pairs`.

    Raises:
        InputError: as in `score`.
    """
    chunks: list[pl.DataFrame] = []
    score(as_responses(pairs), reward_model, settings, dtype=dtype, commit=chunks.append)
    rewards = (
        pl.concat([chunk["reward"] for chunk in chunks])
        if chunks
        else pl.Series([], dtype=pl.Float64)
    )
    return pairs.select("pair_id").with_columns(
        chosen_reward=rewards[: pairs.height], rejected_reward=rewards[pairs.height :]
    )


def split_by_length(
    pairs: pl.DataFrame, reward_model: Path, max_tokens: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part comparisons that a reward model was trained to read from longer ones.

    Args:
        pairs: pair_id, prompt, chosen, rejected (lists of one message), and other columns.
        reward_model: folder whose tokenizer counts.
        max_tokens: longest conversation, prompt and response.

    Returns:
        The pairs of which both sides fit, and the others as row_key, reason, evidence.
    """
    tokenizer = load_tokenizer(reward_model)
    sides = [
        conversation_token_ids(
            tokenizer, pairs["prompt"].to_list(), [side[-1]["content"] for side in pairs[name]]
        )
        for name in ("chosen", "rejected")
    ]
    tokens = [max(len(chosen), len(rejected)) for chosen, rejected in zip(*sides, strict=True)]
    counted = pairs.with_columns(tokens=pl.Series(tokens, dtype=pl.Int64))
    too_long = pl.col("tokens") > max_tokens
    return counted.filter(~too_long).drop("tokens"), counted.filter(too_long).select(
        row_key="pair_id",
        reason=pl.lit("too_long"),
        evidence=pl.format("{} tokens, at most {}", "tokens", pl.lit(max_tokens)),
    )
