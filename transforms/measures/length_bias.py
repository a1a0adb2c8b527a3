"""Whether a reward follows length: Pearson's r prompt by prompt, and how often the longer one wins.

Lives here: statistics of n scored responses a prompt. Not here: the penalty that takes the bias out
(`transforms.pairs.length_penalty`), the picture (`transforms.views.plots.length_bias`), the same
figures by SQL over whole tables (`sql/reports/length_bias.sql`).

Source: paper, section 2.3 and Figure 5: responses of pi_0, r of reward and length for each prompt.
The paper names no unit of length, and 8 or 16 responses a prompt; here both units are measured, and
n is the recipe's. A prompt whose r is undefined is counted by what its `status` says and has no
part in a mean.
"""

import math
from typing import Literal

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.reward_accuracy import pair_accuracy
from transforms.pairs.finite_rewards import require_finite_rewards
from transforms.pairs.length_penalty import UNITS, LengthUnit, within_prompt_slope

KEYS = ["experiment", "iteration", "prompt_id", "response_index"]
GROUP = ["experiment", "iteration", "ranker", "ranker_id", "split", "prompt_id"]

PEARSON_BINS = 20
"""Bins of the coefficient, which lies in [-1, 1]."""
LENGTH_BINS = 20
"""Most bins of the mean length, from 0 up, of a round width: 1, 2 or 5 times a power of ten."""


def correlations(
    generations: pl.DataFrame, scores: pl.DataFrame, prompt_splits: pl.DataFrame
) -> pl.DataFrame:
    """Correlate reward and length within each prompt, in characters and in tokens.

    Args:
        generations: rows of the table, of any slices.
        scores: rows of the table; responses without a score have no part.
        prompt_splits: rows of the table; `split` is null for a prompt of none.

    Returns:
        `reward_length_correlation`: a row for each slice, ranker, prompt and unit, sorted so.
        status is `defined`, or says why there is no r, the first that holds: `one_response`,
        `constant_reward`, `constant_length`. mean_length is over the prompt's scored responses.

    Raises:
        InputError: a reward is null, NaN or infinite, or a response occurs twice.
    """
    scored = generations.join(scores, on=KEYS, validate="1:m")
    require_finite_rewards(scored)
    placed = scored.join(prompt_splits, on="prompt_id", how="left")
    pearson = pl.corr(pl.col("reward"), pl.col("length")).clip(-1, 1)
    rows = (
        placed.unpivot(
            [f"response_{unit}" for unit in UNITS],
            index=[*GROUP, "reward"],
            variable_name="unit",
            value_name="length",
        )
        .with_columns(
            pl.col("unit").str.strip_prefix("response_"), pl.col("length").cast(pl.Float64)
        )
        .group_by(*GROUP, "unit")
        .agg(
            responses=pl.len().cast(pl.Int32),
            mean_length=pl.col("length").mean(),
            status=pl.when(pl.len() < 2).then(pl.lit("one_response"))
            .when(pl.col("reward").min() == pl.col("reward").max()).then(pl.lit("constant_reward"))
            .when(pl.col("length").min() == pl.col("length").max()).then(pl.lit("constant_length"))
            .otherwise(pl.lit("defined")),
            pearson=pearson,
        )
    )  # fmt: skip
    defined = pl.when(pl.col("status") == "defined").then(pl.col("pearson"))
    return (
        rows.with_columns(pearson=defined)
        .sort(*GROUP, "unit")
        .select(list(schema_of("reward_length_correlation")))
    )


def summarise(responses: pl.DataFrame, coefficients: pl.DataFrame) -> pl.DataFrame:
    """Summarise the length bias of one slice under one ranker, a row a unit.

    Args:
        responses: prompt_id, response_index, response_chars, response_tokens, reward.
        coefficients: their `reward_length_correlation`.

    Returns:
        unit; prompts; defined, one_response, constant_reward, constant_length (prompts by status);
        mean_length (over prompts); of the defined coefficients: pearson (mean), p05, p25, median,
        p75, p95 (interpolated); longer_wins of best against worst and longer_wins_all_pairs (share,
        0 to 1); calibrated_penalty (reward units a unit of length). `_se` of each of them is over
        prompts, or clustered by prompt. A figure of too few prompts is null.
    """
    r = pl.col("pearson")
    counts = [
        (pl.col("status") == status).sum().cast(pl.Int64).alias(status)
        for status in ("defined", "one_response", "constant_reward", "constant_length")
    ]
    quantiles = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
    summary = coefficients.group_by("unit").agg(
        pl.len().cast(pl.Int64).alias("prompts"),
        *counts,
        pl.col("mean_length").mean(),
        mean_length_se=pl.col("mean_length").std() / pl.len().sqrt(),
        pearson=r.mean(),
        pearson_se=r.std() / r.count().sqrt(),
        **{name: r.quantile(share, "linear") for name, share in quantiles.items()},
    )
    rows = []
    for unit in UNITS:
        slope = within_prompt_slope(responses, unit)
        row: dict[str, str | float | None] = {"unit": unit}
        for name, pairs in (("longer_wins", "best_worst"), ("longer_wins_all_pairs", "all")):
            row[name], row[f"{name}_se"] = _share(decided_pairs(responses, unit, pairs))
        row["calibrated_penalty"] = slope.penalty if slope else None
        row["calibrated_penalty_se"] = slope.standard_error if slope else None
        rows.append(row)
    names = list(rows[0])[1:]
    figures = pl.DataFrame(rows, schema={"unit": pl.String, **dict.fromkeys(names, pl.Float64)})
    figures = figures.with_columns(pl.col(pl.Float64).fill_nan(None))
    return summary.join(figures, on="unit").sort("unit")


def heat_map(coefficients: pl.DataFrame) -> pl.DataFrame:
    """Count prompts in cells of coefficient and mean length (Figure 5); undefined ones are in none.

    Args:
        coefficients: `reward_length_correlation`.

    Returns:
        unit, pearson_from, pearson_to, length_from, length_to, prompts; cells with prompts, sorted.
        A cell holds its lower edges; the last one of the coefficient also holds 1.
    """
    tables = []
    for unit in UNITS:
        shown = coefficients.filter(pl.col("status") == "defined", pl.col("unit") == unit)
        width = _round_width(shown["mean_length"].max() or 1.0)
        column = ((pl.col("pearson") + 1) / 2 * PEARSON_BINS).floor().clip(0, PEARSON_BINS - 1)
        row = (pl.col("mean_length") / width).floor()
        cells = shown.group_by("unit", column=column, row=row).agg(prompts=pl.len().cast(pl.Int64))
        tables.append(
            cells.sort("column", "row").select(
                "unit",
                pearson_from=2 * pl.col("column") / PEARSON_BINS - 1,
                pearson_to=2 * (pl.col("column") + 1) / PEARSON_BINS - 1,
                length_from=pl.col("row") * width,
                length_to=(pl.col("row") + 1) * width,
                prompts="prompts",
            )
        )
    return pl.concat(tables)


def longer_wins(
    responses: pl.DataFrame, unit: LengthUnit, pairs: Literal["best_worst", "all"] = "best_worst"
) -> tuple[float, float, int]:
    """Measure how often the longer response of a pair has the higher reward, a tie of length half.

    Args:
        responses: prompt_id, response_index, response_chars, response_tokens, reward.
        unit: of length.
        pairs: the best against the worst of each prompt, or all pairs of a prompt's responses; a
            pair of equal rewards has no winner and no part.

    Returns:
        Share of pairs, its standard error clustered by prompt (NaN with one prompt), pairs.

    Raises:
        InputError: a reward is not finite, or no prompt has two rewards.
    """
    decided = decided_pairs(responses, unit, pairs)
    if decided.is_empty():
        raise InputError(
            "no response wins over another",
            expected="a prompt with two responses of different rewards",
            found=f"{responses.height} responses without one",
            remedy="sample more responses a prompt, or look at the ranker",
        )
    return pair_accuracy(decided)


def decided_pairs(
    responses: pl.DataFrame, unit: LengthUnit, pairs: Literal["best_worst", "all"]
) -> pl.DataFrame:
    """Pair a prompt's responses by reward; see `longer_wins`.

    Of equal best rewards the first response counts, of equal worst ones the last, as in the pairs
    of `transforms.pairs.dpo_pairs`.

    Returns:
        prompt_id, and the lengths as chosen_reward and rejected_reward: as if length were a reward
        model, whose accuracy `transforms.measures.reward_accuracy.pair_accuracy` measures.
    """
    require_finite_rewards(responses)
    ranked = responses.sort(
        "prompt_id", "reward", "response_index", descending=[False, True, False]
    ).select("prompt_id", "reward", length=pl.col(f"response_{unit}").cast(pl.Float64))
    if pairs == "best_worst":
        ranked = ranked.group_by("prompt_id", maintain_order=True).agg(
            pl.all().first().name.suffix("_best"), pl.all().last().name.suffix("_worst")
        )
    else:
        numbered = ranked.with_columns(rank=pl.int_range(pl.len()).over("prompt_id"))
        ranked = numbered.join(numbered, on="prompt_id", suffix="_worst").filter(
            pl.col("rank") < pl.col("rank_worst")
        )
        ranked = ranked.rename({"reward": "reward_best", "length": "length_best"})
    return ranked.filter(pl.col("reward_best") > pl.col("reward_worst")).select(
        "prompt_id", chosen_reward="length_best", rejected_reward="length_worst"
    )


def _share(pairs: pl.DataFrame) -> tuple[float | None, float | None]:
    return (None, None) if pairs.is_empty() else pair_accuracy(pairs)[:2]


def _round_width(longest: float) -> float:
    """Width of at most LENGTH_BINS bins that hold 0 ... longest."""
    least = longest / (LENGTH_BINS - 1)  # the longest may lie on an edge, and then opens a bin
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)
