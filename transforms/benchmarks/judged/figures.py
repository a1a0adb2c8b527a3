"""Figures of the judged benchmarks: verdicts on one model's answers to rows of its results.

Lives here: which figures each benchmark has, in which unit. Not here: the table
(`transforms.benchmarks.results`), the rules behind a figure (the benchmarks beside this module,
`transforms.measures.length_control`).

Win rates and shares are per cent, MT-Bench's scores 1 to 10, lengths characters. Errors and
intervals draw items, each with all its verdicts. The judge's own noise stands beside: see
`transforms.benchmarks.judged.noise`.
"""

import polars as pl

from transforms.benchmarks.judged import arena_hard
from transforms.benchmarks.judged.mt_bench import summarise_ratings
from transforms.benchmarks.judged.noise import noise
from transforms.benchmarks.judged.verdicts import preferences
from transforms.benchmarks.results import ALL, SUMMARY
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling
from transforms.measures.clustered import higher
from transforms.measures.length_control import estimate_win_rates

PER_CENT = 100.0


def alpaca_eval_figures(
    verdicts: pl.DataFrame, items: pl.DataFrame, how: Resampling | None = None
) -> pl.DataFrame:
    """Measure a model by AlpacaEval 2.

    Args:
        verdicts: rows of `benchmark_verdicts` on the model's answers.
        items: item, response_chars, baseline_chars, and difficulty where it is known; in the order
            of the benchmark, which decides the folds of the regression.
        how: draws of items, level, seed.

    Returns:
        `SUMMARY`: length_controlled_win_rate, win_rate (mean share over both orders),
        discrete_win_rate (the larger share wins), and those of every pairwise benchmark:
        order_flips (items whose winner is another in the other order), weighted_share (of verdicts
        that come from token probabilities), longer_share, response_chars, baseline_chars,
        judge_flips, judge_sd. A win rate is null where no item has both verdicts.
    """
    judged = _judged(verdicts, items)
    rows = _at_equal_length(judged, items, how)
    if judged.height:
        wins = judged.select("prompt_id", value=higher(pl.col("preference"), pl.lit(0.5)))
        discrete = bootstrap.estimate_mean(wins, how=how)
        rows.append(_row("discrete_win_rate", discrete, asked=items.height, unit=PER_CENT))
    return _frame(rows + _pairwise(verdicts, judged, items, how), "win_rate", items.height)


def arena_hard_figures(
    verdicts: pl.DataFrame, items: pl.DataFrame, how: Resampling | None = None
) -> pl.DataFrame:
    """Measure a model by Arena-Hard.

    Args:
        verdicts: as in `alpaca_eval_figures`.
        items: item, subset, response_chars, baseline_chars.
        how: draws of items, level, seed.

    Returns:
        `SUMMARY`: win_rate (share of battles won, `>>` counting thrice) of all items and of each
        subset, and the figures of every pairwise benchmark.
    """
    first = verdicts.filter(pl.col("repeat") == 0)
    games = first.select(
        "subset",
        "verdict",
        "item",
        model_is_first=pl.col("shown_first") == "model",
    )
    subsets = items["subset"].unique(maintain_order=True).to_list()
    rows = []
    for subset in [ALL, *(subsets if len(subsets) > 1 else [])]:
        every = subset == ALL
        asked = items.height if every else items.filter(subset=subset).height
        counted = arena_hard.battles(games if every else games.filter(subset=subset))
        if counted.height:
            estimate = arena_hard.win_rate(counted, how)
            rows.append(_row("win_rate", estimate, asked=asked, unit=PER_CENT, subset=subset))
    judged = _judged(verdicts, items)
    controlled = [
        row
        for row in _at_equal_length(judged, items, how)
        if row["metric"] == "length_controlled_win_rate"
    ]
    rows += controlled + _pairwise(verdicts, judged, items, how)
    return _frame(rows, "win_rate", items.height)


def mt_bench_figures(
    verdicts: pl.DataFrame, items: pl.DataFrame, how: Resampling | None = None
) -> pl.DataFrame:
    """Measure a model by MT-Bench.

    Args:
        verdicts: as in `alpaca_eval_figures`; the subset is the category.
        items: item, subset.
        how: draws of items, level, seed.

    Returns:
        `SUMMARY`: score, score_turn_1, score_turn_2 of all items, score of each category,
        judge_flips (per cent), judge_sd (ratings).
    """
    first = verdicts.filter(pl.col("repeat") == 0)
    rows = []
    for found in summarise_ratings(first, how).to_dicts():
        subset, metric = found.pop("subset"), found.pop("metric")
        asked = items if subset == ALL else items.filter(subset=subset)
        rows.append(_row(metric, Estimate(**found), asked=asked.height, subset=subset))
    rows += _noise(verdicts, items.height, 1.0, how)
    return _frame(rows, "score", items.height)


def _judged(verdicts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Lay out judged pairs with their lengths, in the order of the items."""
    first = verdicts.filter(pl.col("repeat") == 0)
    joined = items.join(preferences(first), on="item", maintain_order="left")
    return joined.rename({"item": "prompt_id"})


def _at_equal_length(
    judged: pl.DataFrame, items: pl.DataFrame, how: Resampling | None
) -> list[dict[str, object]]:
    if judged.is_empty():
        return []
    rates = estimate_win_rates(judged, how)
    rows = [_row("win_rate", rates.raw, asked=items.height, unit=PER_CENT)]
    if rates.controlled is not None:
        controlled = rates.controlled
        metric = "length_controlled_win_rate"
        rows.append(_row(metric, controlled, asked=items.height, unit=PER_CENT))
    return rows


def _pairwise(
    verdicts: pl.DataFrame, judged: pl.DataFrame, items: pl.DataFrame, how: Resampling | None
) -> list[dict[str, object]]:
    asked = items.height
    shares = {
        "order_flips": judged.select("prompt_id", value=~pl.col("same_winner")),
        "weighted_share": verdicts.filter(pl.col("repeat") == 0).select(
            prompt_id="item", value="is_weighted"
        ),
        "longer_share": items.select(
            prompt_id="item",
            value=higher(pl.col("response_chars"), pl.col("baseline_chars")),
        ),
    }
    rows = [
        _row(metric, bootstrap.estimate_mean(values, how=how), asked=asked, unit=PER_CENT)
        for metric, values in shares.items()
        if values["value"].count()
    ]
    for metric in ("response_chars", "baseline_chars"):
        lengths = items.select(prompt_id="item", value=metric)
        rows.append(_row(metric, bootstrap.estimate_mean(lengths, how=how), asked=asked))
    return rows + _noise(verdicts, asked, PER_CENT, how)


def _noise(
    verdicts: pl.DataFrame, asked: int, sd_unit: float, how: Resampling | None
) -> list[dict[str, object]]:
    units = {"judge_flips": PER_CENT, "judge_sd": sd_unit}
    return [
        _row(metric, estimate, asked=asked, unit=units[metric])
        for metric, estimate in noise(verdicts, how).items()
    ]


def _row(
    metric: str, estimate: Estimate, *, asked: int, unit: float = 1.0, subset: str = ALL
) -> dict[str, object]:
    figures = {
        name: None if (value := getattr(estimate, name)) is None else unit * value
        for name in ("value", "standard_error", "low", "high")
    }
    return {
        "subset": subset,
        "metric": metric,
        **figures,
        "interval": "95% BCa bootstrap over items",
        "items": estimate.prompts,
        "unscored_items": asked - estimate.prompts,
    }


def _frame(rows: list[dict[str, object]], metric: str, asked: int) -> pl.DataFrame:
    """Make the frame; a benchmark's own metric has a row even where no verdict can be used."""
    if not any(row["metric"] == metric for row in rows):
        rows = [{"subset": ALL, "metric": metric, "items": 0, "unscored_items": asked}, *rows]
    return pl.DataFrame(rows, schema=SUMMARY)
