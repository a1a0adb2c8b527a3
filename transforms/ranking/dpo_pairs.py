"""From n scored responses of a prompt to one preference pair: best against worst.

Lives here: the choice of pairs from responses and rewards. Not here: sampling and scoring them.

Source: paper, section 3.3 (best against worst of n = 8) and eq. 8 (r - lambda |a|). Deviation: the
published script ranks by the penalised reward but then orients chosen and rejected by the raw one,
which can undo the penalty; here one number does both, so chosen always has the higher penalised
reward.
"""

import polars as pl

from transforms.ranking.finite_rewards import require_finite_rewards
from transforms.ranking.length_penalty import calibrated_penalty
from transforms.settings import PairSettings
from transforms.tables.schemas import LOOP_SLICE, MESSAGES, SCHEMAS


def length_penalty(responses: pl.DataFrame, settings: PairSettings) -> float:
    """Resolve lambda of eq. 8, reward units a unit of length: the settings' number, or calibrated.

    A calibrated one is measured on the responses that are about to be paired, not on those of a
    length study of pi_0. In an online loop every iteration samples from another policy, and the
    slope of a reward on length moves with it: at the lambda of pi_0, the pairs of a later iteration
    would favour length again, or its opposite, and the drift adds up. It also moves with the reward
    model, which an experiment may choose. The price: lambda differs between iterations, so that
    penalised rewards can be compared within one alone; the rewards are stored beside them.

    Args:
        responses: those of `best_vs_worst`.
        settings: the penalty, its unit, which responses are usable.

    Raises:
        InputError: a calibrated penalty is asked for, and a reward is not finite or no prompt has
            usable responses of two lengths.
    """
    if settings.length_penalty == "calibrated":
        return calibrated_penalty(_usable(responses, settings), settings.length_unit).penalty
    return settings.length_penalty


def best_vs_worst(
    responses: pl.DataFrame, settings: PairSettings, penalty: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pair the response of highest with the one of lowest penalised reward, prompt by prompt.

    Equal penalised rewards are ordered by response_index: the best is the first of its equals, the
    worst the last.

    Args:
        responses: prompt_id, response_index, response, response_tokens, response_chars,
            finish_reason, reward, prompt (messages); one row a response.
        settings: rule, unit of length, smallest margin.
        penalty: lambda of eq. 8, reward units a unit of length, from `length_penalty`.

    Returns:
        `dpo_pairs` and `dropped_pairs`, both without experiment and iteration, by prompt_id; every
        prompt is in exactly one. Reasons, the first that holds: too_few_responses, equal_text,
        equal_reward, small_margin.

    Raises:
        InputError: a reward is NaN or infinite. A null one is a response that a judge gave no
            verdict on: it is not usable.
    """
    order = ranked(responses, settings, penalty)
    extremes = order.group_by("prompt_id", maintain_order=True).agg(
        pl.len().alias("usable"),
        pl.col("prompt").first(),
        pl.col("response", "response_index", "reward", "penalised").first().name.prefix("chosen_"),
        pl.col("response", "response_index", "reward", "penalised").last().name.prefix("rejected_"),
    )
    prompts = responses.select(pl.col("prompt_id").unique()).sort("prompt_id")
    margin = pl.col("chosen_penalised") - pl.col("rejected_penalised")
    judged = prompts.join(extremes, on="prompt_id", how="left", maintain_order="left").with_columns(
        margin=margin,
        reason=pl.when(pl.col("usable").fill_null(0) < 2).then(pl.lit("too_few_responses"))
        .when(pl.col("chosen_response") == pl.col("rejected_response")).then(pl.lit("equal_text"))
        .when(margin == 0).then(pl.lit("equal_reward"))
        .when(margin < settings.min_margin).then(pl.lit("small_margin")),
    )  # fmt: skip
    kept = judged.filter(pl.col("reason").is_null()).with_columns(
        chosen=as_turn("chosen_response"),
        rejected=as_turn("rejected_response"),
        chosen_penalised_reward="chosen_penalised",
        rejected_penalised_reward="rejected_penalised",
        rule=pl.lit(settings.rule),
    )
    dropped = judged.filter(pl.col("reason").is_not_null())
    return (
        kept.select(name for name in SCHEMAS["dpo_pairs"] if name not in LOOP_SLICE),
        dropped.select(name for name in SCHEMAS["dropped_pairs"] if name not in LOOP_SLICE),
    )


def ranked(responses: pl.DataFrame, settings: PairSettings, penalty: float) -> pl.DataFrame:
    """Order each prompt's usable responses, best first; adds `penalised`, the penalised reward.

    Raises:
        InputError: a reward is NaN or infinite.
    """
    require_finite_rewards(responses.filter(pl.col("reward").is_not_null()))
    penalised = pl.col("reward") - penalty * pl.col(f"response_{settings.length_unit}")
    return (
        _usable(responses, settings)
        .with_columns(penalised=penalised)
        .sort("prompt_id", "penalised", "response_index", descending=[False, True, False])
    )


def _usable(responses: pl.DataFrame, settings: PairSettings) -> pl.DataFrame:
    """Leave out responses without a reward, and truncated ones where the settings say so."""
    ranked = responses.filter(pl.col("reward").is_not_null())
    return ranked.filter(pl.col("finish_reason") != "length") if settings.drop_truncated else ranked


def as_turn(response: str) -> pl.Expr:
    """Write a response's text as the assistant's turn: a list of one message."""
    turn = pl.struct(role=pl.lit("assistant"), content=pl.col(response))
    return pl.concat_list(turn).cast(MESSAGES)
