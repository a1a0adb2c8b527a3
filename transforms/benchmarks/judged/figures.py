"""Figures of the judged benchmarks, from the verdicts on one model's answers.

Not here: the table of results (`transforms.benchmarks.results`), the rules of each benchmark
(`transforms.benchmarks.judged.arena_hard` and its neighbours), the length-control regression
(`transforms.measures.length_control`).

Win rates and shares are per cent, MT-Bench's scores 1 to 10, lengths characters. Errors and
intervals resample items, each with all its verdicts. The judge's noise is a figure of its own
(`transforms.benchmarks.judged.noise`).
"""

import polars as pl

from transforms.benchmarks.judged import arena_hard
from transforms.benchmarks.judged.mt_bench import summarise_ratings
from transforms.benchmarks.judged.noise import measure_noise
from transforms.benchmarks.judged.verdicts import average_preferences
from transforms.benchmarks.results import ALL, SUMMARY
from transforms.measures import bootstrap
from transforms.measures.bootstrap import Estimate, Resampling
from transforms.measures.clustered import higher
from transforms.measures.length_control import estimate_win_rates

PER_CENT = 100.0


def measure_alpaca_eval(
    verdicts: pl.DataFrame,
    items: pl.DataFrame,
    how: Resampling | None = None,
    gamed: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Compute a model's figures on AlpacaEval 2.

    Args:
        verdicts: rows of `benchmark_verdicts` on the model's answers.
        items: item, response_chars, baseline_chars, and difficulty if it is known; in the order of
            the benchmark, which determines the folds of the regression.
        how: number of draws, level, seed; items are resampled.
        gamed: gamed baselines for the length control (`transforms.measures.length_control.fit`).

    Returns:
        `SUMMARY`: length_controlled_win_rate, win_rate (mean share over both orders),
        discrete_win_rate (the larger share wins), and the figures of every pairwise benchmark:
        order_flips (share of items with another winner in the other order), weighted_share (of
        verdicts from token probabilities), longer_share, response_chars, baseline_chars,
        judge_flips, judge_sd. A win rate is null if no item has both verdicts.
    """
    judged = _join_preferences(verdicts, items)
    rows = _build_win_rates(judged, items, how, gamed)
    if judged.height:
        wins = judged.select("prompt_id", value=higher(pl.col("preference"), pl.lit(0.5)))
        discrete = bootstrap.estimate_mean(wins, how=how)
        rows.append(_build_row("discrete_win_rate", discrete, asked=items.height, unit=PER_CENT))
    return _build_frame(
        rows + _build_pairwise_rows(verdicts, judged, items, how), "win_rate", items.height
    )


def measure_arena_hard(
    verdicts: pl.DataFrame, items: pl.DataFrame, how: Resampling | None = None
) -> pl.DataFrame:
    """Compute a model's figures on Arena-Hard.

    Args:
        verdicts: as in `measure_alpaca_eval`.
        items: item, subset, response_chars, baseline_chars.
        how: number of draws, level, seed; items are resampled.

    Returns:
        `SUMMARY`: win_rate (share of battles won; `>>` counts three times) of all items and of each
        subset, length_controlled_win_rate, and the figures of every pairwise benchmark.
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
        asked = items if subset == ALL else items.filter(subset=subset)
        played = games if subset == ALL else games.filter(subset=subset)
        counted = arena_hard.count_battles(played)
        if counted.height:
            estimate = arena_hard.estimate_win_rate(counted, how)
            rows.append(
                _build_row("win_rate", estimate, asked=asked.height, unit=PER_CENT, subset=subset)
            )
    judged = _join_preferences(verdicts, items)
    controlled = [
        row
        for row in _build_win_rates(judged, items, how)
        if row["metric"] == "length_controlled_win_rate"
    ]
    rows += controlled + _build_pairwise_rows(verdicts, judged, items, how)
    return _build_frame(rows, "win_rate", items.height)


def measure_mt_bench(
    verdicts: pl.DataFrame, items: pl.DataFrame, how: Resampling | None = None
) -> pl.DataFrame:
    """Compute a model's figures on MT-Bench.

    Args:
        verdicts: as in `measure_alpaca_eval`; the subset is the category.
        items: item, subset.
        how: number of draws, level, seed; items are resampled.

    Returns:
        `SUMMARY`: score, score_turn_1, score_turn_2 of all items, score of each category,
        judge_flips (per cent), judge_sd (ratings).
    """
    first = verdicts.filter(pl.col("repeat") == 0)
    rows = []
    for found in summarise_ratings(first, how).to_dicts():
        subset, metric = found.pop("subset"), found.pop("metric")
        asked = items if subset == ALL else items.filter(subset=subset)
        rows.append(_build_row(metric, Estimate(**found), asked=asked.height, subset=subset))
    rows += _build_noise_rows(verdicts, items.height, 1.0, how)
    return _build_frame(rows, "score", items.height)


def _join_preferences(verdicts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Join items, which have the lengths, with their preferences, in the order of the items."""
    first = verdicts.filter(pl.col("repeat") == 0)
    joined = items.join(average_preferences(first), on="item", maintain_order="left")
    return joined.rename({"item": "prompt_id"})


def _build_win_rates(
    judged: pl.DataFrame,
    items: pl.DataFrame,
    how: Resampling | None,
    gamed: pl.DataFrame | None = None,
) -> list[dict[str, object]]:
    if judged.is_empty():
        return []
    rates = estimate_win_rates(judged, how, gamed)
    rows = [_build_row("win_rate", rates.raw, asked=items.height, unit=PER_CENT)]
    if rates.controlled is not None:
        metric = "length_controlled_win_rate"
        row = _build_row(metric, rates.controlled, asked=items.height, unit=PER_CENT)
        rows.append({**row, "note": rates.note})
    return rows


def _build_pairwise_rows(
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
        _build_row(metric, bootstrap.estimate_mean(values, how=how), asked=asked, unit=PER_CENT)
        for metric, values in shares.items()
        if values["value"].count()
    ]
    for metric in ("response_chars", "baseline_chars"):
        lengths = items.select(prompt_id="item", value=metric)
        rows.append(_build_row(metric, bootstrap.estimate_mean(lengths, how=how), asked=asked))
    return rows + _build_noise_rows(verdicts, asked, PER_CENT, how)


def _build_noise_rows(
    verdicts: pl.DataFrame, asked: int, sd_unit: float, how: Resampling | None
) -> list[dict[str, object]]:
    units = {"judge_flips": PER_CENT, "judge_sd": sd_unit}
    return [
        _build_row(metric, estimate, asked=asked, unit=units[metric])
        for metric, estimate in measure_noise(verdicts, how).items()
    ]


def _build_row(
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


def _build_frame(rows: list[dict[str, object]], metric: str, asked: int) -> pl.DataFrame:
    """Build the frame; a benchmark's own metric has a row even if no verdict can be used."""
    if not any(row["metric"] == metric for row in rows):
        rows = [{"subset": ALL, "metric": metric, "items": 0, "unscored_items": asked}, *rows]
    return pl.DataFrame(rows, schema=SUMMARY)
