"""Adaptive n: the round of sampling after which a prompt gets no further responses.

Not here: sampling in rounds (`assets.loop.sampling`), the tokens that it saves
(`transforms.measures.adaptive_replay`).
"""

import polars as pl

from transforms.errors import InputError
from transforms.pairs.ranked_responses import rank_responses
from transforms.settings.pairs import AdaptiveSettings, PairSettings


def find_stops(
    responses: pl.DataFrame, rule: AdaptiveSettings, pairs: PairSettings, n: int
) -> pl.DataFrame:
    """Return for each prompt how many responses the rule requires, given the responses so far.

    A margin needs two usable responses (`PairSettings`); before that a prompt never stops.

    Args:
        responses: as for `make_pairs`; response_index counts them in the order of sampling.
        rule: the size of a round, and the limits of the margin.
        pairs: penalty, its unit, which responses are usable.
        n: highest number of responses of a prompt.

    Returns:
        prompt_id; responses: their number up to the first round that satisfies the rule, else n;
        margin after these rounds, as far as they are sampled (null: fewer than two usable ones);
        reason: enough_margin | no_growth | n_reached.

    Raises:
        InputError: the penalty is calibrated, which needs all responses, or a reward is not finite.
    """
    if pairs.length_penalty == "calibrated":
        raise InputError(
            "a calibrated length penalty needs all responses, and adaptive n stops before",
            expected="a number for pairs.length_penalty, to compute a margin after each round",
            found="calibrated",
            remedy="set the number that a length study or an earlier iteration gave",
        )
    usable = rank_responses(responses, pairs, pairs.length_penalty)
    of_round = pl.col("response_index") // rule.round
    every = responses.select("prompt_id", round=of_round).unique()
    extremes = usable.group_by("prompt_id", round=of_round).agg(
        highest=pl.col("penalised_reward").max(),
        lowest=pl.col("penalised_reward").min(),
        usable=pl.len(),
    )
    so_far = pl.col("highest").cum_max().forward_fill() - pl.col("lowest").cum_min().forward_fill()
    enough_usable = pl.col("usable").fill_null(0).cum_sum() >= 2
    margins = (
        every.join(extremes, on=["prompt_id", "round"], how="left")
        .sort("prompt_id", "round")
        .select(
            "prompt_id",
            "round",
            margin=pl.when(enough_usable.over("prompt_id")).then(so_far.over("prompt_id")),
        )
    )
    growth = pl.col("margin") - pl.col("margin").shift(1).over("prompt_id")
    wide = pl.col("margin") >= pl.lit(rule.enough_margin, pl.Float64)
    flat = growth <= pl.lit(rule.least_growth, pl.Float64)
    reason = pl.when(wide).then(pl.lit("enough_margin")).when(flat).then(pl.lit("no_growth"))
    rounds = margins.with_columns(reason=reason, responses=(pl.col("round") + 1) * rule.round)
    first = pl.coalesce(
        pl.col("round").filter(pl.col("reason").is_not_null()).min(), pl.col("round").max()
    )
    last = rounds.filter(pl.col("round") == first.over("prompt_id")).sort("prompt_id")
    is_stopped = pl.col("reason").is_not_null()
    return last.select(
        "prompt_id",
        responses=pl.when(is_stopped).then("responses").otherwise(n).cast(pl.Int32),
        margin="margin",
        reason=pl.col("reason").fill_null("n_reached"),
    )
