"""What adaptive n would have saved, and which pairs it would have given, on responses of a fixed n.

A replay needs no model. Of n responses that one sampler drew, the first k are as good a sample of k
as another draw would be; so the pairs that the rule would have given, and the tokens that it would
not have drawn, are read off what is stored. Not here: the rule (`transforms.pairs.adaptive`).
"""

import polars as pl

from transforms.errors import InputError
from transforms.measures.slice_diff import pair_changes
from transforms.pairs.adaptive import stops
from transforms.pairs.dpo_pairs import make_pairs
from transforms.settings.pairs import AdaptiveSettings, PairSettings


def replay(responses: pl.DataFrame, rule: AdaptiveSettings, pairs: PairSettings) -> pl.DataFrame:
    """Compare a fixed n with what the rule would have drawn of it, and the pairs of both.

    Args:
        responses: of one slice, those of `make_pairs` and iteration, sampler.
        rule: when a margin is settled.
        pairs: how both are paired.

    Returns:
        One row: iteration, prompts, n, responses and adaptive_responses, tokens and
        adaptive_tokens (drawn), tokens_saved (share), enough_margin, no_growth and n_reached
        (prompts), margin and adaptive_margin (mean of the pairs); and the columns of
        `pair_changes`, of the adaptive pairs against those of the fixed n.

    Raises:
        InputError: several samplers drew the responses, so that the first are not like the rest; n
            is not a number of whole rounds; or see `stops`.
    """
    n = int(responses["response_index"].max()) + 1
    samplers = responses["sampler"].n_unique()
    if samplers > 1 or n % rule.round:
        raise InputError(
            "adaptive n cannot be replayed on these responses",
            expected="one sampler, and n a multiple of round",
            found=f"{samplers} samplers, n = {n}, round = {rule.round}",
            remedy="name an experiment without samplers, or another round",
        )
    stopped = stops(responses, rule, pairs, n)
    drawn = (
        responses.join(stopped.select("prompt_id", most="responses"), on="prompt_id")
        .filter(pl.col("response_index") < pl.col("most"))
        .drop("most")
    )
    fixed, adaptive = (
        make_pairs(rows, pairs, pairs.length_penalty)[0] for rows in (responses, drawn)
    )
    iteration = responses["iteration"][0]
    numbered = (
        frame.with_columns(iteration=pl.lit(iteration, pl.Int32)) for frame in (fixed, adaptive)
    )
    tokens, adaptive_tokens = (rows["response_tokens"].sum() for rows in (responses, drawn))
    reasons = dict(stopped["reason"].value_counts().iter_rows())
    row = pl.DataFrame(
        {
            "iteration": iteration,
            "prompts": stopped.height,
            "n": n,
            "responses": responses.height,
            "adaptive_responses": drawn.height,
            "tokens": tokens,
            "adaptive_tokens": adaptive_tokens,
            "tokens_saved": 1 - adaptive_tokens / tokens,
            **{name: reasons.get(name, 0) for name in ("enough_margin", "no_growth", "n_reached")},
            "margin": fixed["margin"].mean(),
            "adaptive_margin": adaptive["margin"].mean(),
        },
        schema_overrides={"iteration": pl.Int32},
    )
    return row.join(pair_changes(*numbered), on="iteration", how="left")
