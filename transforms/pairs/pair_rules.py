"""Pair rules: which of a prompt's ranked responses meet as chosen and rejected.

Lives here: the rules, by the names of `PairSettings.rule`. Not here: the ranking, margins, what is
dropped (`transforms.pairs.dpo_pairs`).

A rule is given ranked responses: prompt_id, response_index, place (0: highest penalised reward;
equals by response_index), usable (responses of the prompt). It returns candidate pairs, at least
one for every prompt with two responses or more: prompt_id, chosen_place < rejected_place.
"""

from collections.abc import Callable, Mapping

import polars as pl

from transforms.identity import FIELD, hash_text

Rule = Callable[[pl.DataFrame], pl.DataFrame]


def best_vs_worst(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair the best with the worst (paper, section 3.3)."""
    return _with_the_best(ranked.filter(pl.col("place") == pl.col("usable") - 1))


def best_vs_second(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair the best with the next best: the hardest comparison, of the smallest margin."""
    return _with_the_best(ranked.filter(place=1))


def best_vs_random(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair the best with one of the others, each as likely.

    It is the one whose hash of prompt_id and response_index is lowest, so that the choice is the
    same on every machine and in every order of rows, and another prompt's is no part of it.
    """
    drawn = hash_text(pl.concat_str("prompt_id", "response_index", separator=FIELD))
    others = ranked.filter(pl.col("place") > 0).with_columns(drawn=drawn)
    return _with_the_best(others.filter(pl.col("drawn") == pl.col("drawn").min().over("prompt_id")))


def all_above_margin(ranked: pl.DataFrame) -> pl.DataFrame:
    """Pair every response with every one below it: n(n-1)/2 per prompt, fewer by `min_margin`."""
    place = ranked.select("prompt_id", chosen_place="place")
    below = ranked.select("prompt_id", rejected_place="place")
    return place.join(below, on="prompt_id").filter(
        pl.col("chosen_place") < pl.col("rejected_place")
    )


def _with_the_best(rejected: pl.DataFrame) -> pl.DataFrame:
    return rejected.filter(pl.col("place") > 0).select(
        "prompt_id", chosen_place=pl.lit(0, pl.Int64), rejected_place="place"
    )


RULES: Mapping[str, Rule] = {
    "best_vs_worst": best_vs_worst,
    "best_vs_random": best_vs_random,
    "best_vs_second": best_vs_second,
    "all_above_margin": all_above_margin,
}
