"""Pair rules: which of a prompt's ranked responses become chosen and rejected.

A rule takes ranked responses: prompt_id, response_index, place (0: highest penalised reward; equals
by response_index), usable (number of the prompt's usable responses). It returns candidate pairs, at
least one for every prompt with two or more responses: prompt_id, chosen_place < rejected_place.
Not here: the ranking, margins and dropped pairs (`transforms.pairs.dpo_pairs`).
"""

from collections.abc import Callable, Mapping

import polars as pl

from transforms.identity import FIELD, hash_text

Rule = Callable[[pl.DataFrame], pl.DataFrame]


def best_vs_worst(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair the best with the worst (paper, section 3.3)."""
    return _pair_with_best(ranked.filter(pl.col("place") == pl.col("usable") - 1))


def best_vs_second(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair the best with the next best: the hardest comparison, of the smallest margin."""
    return _pair_with_best(ranked.filter(place=1))


def best_vs_random(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair the best with a random one of the others, all equally likely.

    It is the one with the lowest hash of prompt_id and response_index. The choice is the same on
    every machine and in every order of rows, and does not depend on other prompts.
    """
    key = hash_text(pl.concat_str("prompt_id", "response_index", separator=FIELD))
    others = ranked.filter(pl.col("place") > 0).with_columns(key=key)
    return _pair_with_best(others.filter(pl.col("key") == pl.col("key").min().over("prompt_id")))


def all_above_margin(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair every response with every lower one: n(n-1)/2 per prompt, before `min_margin`."""
    above = ranked.select("prompt_id", chosen_place="place")
    below = ranked.select("prompt_id", rejected_place="place")
    return above.join(below, on="prompt_id").filter(
        pl.col("chosen_place") < pl.col("rejected_place")
    )


def _pair_with_best(rejected: pl.DataFrame) -> pl.DataFrame:
    return rejected.filter(pl.col("place") > 0).select(
        "prompt_id", chosen_place=pl.lit(0, pl.Int64), rejected_place="place"
    )


RULES: Mapping[str, Rule] = {
    "best_vs_worst": best_vs_worst,
    "best_vs_random": best_vs_random,
    "best_vs_second": best_vs_second,
    "all_above_margin": all_above_margin,
}
