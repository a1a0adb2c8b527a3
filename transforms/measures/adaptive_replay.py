"""Replay of adaptive n on stored responses of a fixed n: tokens saved, and changes of the pairs.

A replay needs no model. The first k of n responses of one sampler are a random sample of size k,
just like k new responses. So the stored responses show which pairs the rule would have made, and
how many tokens it would have saved. Not here: the rule (`transforms.pairs.adaptive`).
"""

from typing import cast

import polars as pl

from transforms.errors import InputError
from transforms.measures.slice_diff import count_pair_changes
from transforms.pairs.adaptive import find_stops
from transforms.pairs.dpo_pairs import make_pairs
from transforms.pairs.length_penalty import resolve_length_penalty
from transforms.settings.pairs import AdaptiveSettings, PairSettings


def replay(responses: pl.DataFrame, rule: AdaptiveSettings, pairs: PairSettings) -> pl.DataFrame:
    """Compare a fixed n with adaptive n: responses, tokens and pairs.

    Args:
        responses: rows of one slice, with the columns that `make_pairs` needs, iteration, sampler.
        rule: settings that decide when a prompt gets no further responses.
        pairs: pair settings for the fixed and for the adaptive n.

    Returns:
        One row: iteration, prompts, n, responses and adaptive_responses, tokens and
        adaptive_tokens (sampled), tokens_saved (share), enough_margin, no_growth and n_reached
        (prompts), margin and adaptive_margin (mean over the pairs); then the columns of
        `count_pair_changes`: the adaptive pairs compared with those of the fixed n.

    Raises:
        InputError: the responses are from several samplers (the first k would be from another
            distribution than all n); n is not a multiple of the round; or an error of `find_stops`.
    """
    n = cast(int, responses["response_index"].max()) + 1
    samplers = responses["sampler"].n_unique()
    if samplers > 1 or n % rule.round:
        raise InputError(
            "adaptive n cannot be replayed on these responses",
            expected="one sampler, and n a multiple of round",
            found=f"{samplers} samplers, n = {n}, round = {rule.round}",
            remedy="name an experiment without samplers, or another round",
        )
    stopped = find_stops(responses, rule, pairs, n)
    kept = (
        responses.join(stopped.select("prompt_id", most="responses"), on="prompt_id")
        .filter(pl.col("response_index") < pl.col("most"))
        .drop("most")
    )
    fixed, adaptive = (
        make_pairs(rows, pairs, resolve_length_penalty(rows, pairs))[0]
        for rows in (responses, kept)
    )
    iteration = responses["iteration"][0]
    numbered = (
        frame.with_columns(iteration=pl.lit(iteration, pl.Int32)) for frame in (fixed, adaptive)
    )
    tokens, adaptive_tokens = (int(rows["response_tokens"].sum()) for rows in (responses, kept))
    reasons = dict(stopped["reason"].value_counts().iter_rows())
    row = pl.DataFrame(
        {
            "iteration": iteration,
            "prompts": stopped.height,
            "n": n,
            "responses": responses.height,
            "adaptive_responses": kept.height,
            "tokens": tokens,
            "adaptive_tokens": adaptive_tokens,
            "tokens_saved": 1 - adaptive_tokens / tokens,
            **{name: reasons.get(name, 0) for name in ("enough_margin", "no_growth", "n_reached")},
            "margin": fixed["margin"].mean(),
            "adaptive_margin": adaptive["margin"].mean(),
        },
        schema_overrides={"iteration": pl.Int32},
    )
    return row.join(count_pair_changes(*numbered), on="iteration", how="left")
