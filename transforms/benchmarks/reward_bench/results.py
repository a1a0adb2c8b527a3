"""Results of a model on labelled pairs with subsets, and of a baseline that sees only length.

Not here: computing rewards, and the subsets of a section (`transforms.public_sets`). A pair counts
1 if the chosen response has the higher reward, 1/2 on a tie, 0 otherwise. Standard errors are
clustered by prompt, because pairs with the same prompt are not independent.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import polars as pl

from transforms.benchmarks.reward_bench.sections import score_sections
from transforms.errors import InputError
from transforms.identity import identify_messages
from transforms.lake.schemas import schema_of
from transforms.measures.clustered import error_of_residuals, higher
from transforms.measures.reward_accuracy import count_response_chars
from transforms.public_sets.benchmark_set import Sections, Weights

METRICS = ("pair_accuracy", "longer_wins")
"""Accuracy by reward, and by length only: the response with more characters wins."""


def compare_pairs(pairs: pl.DataFrame, rewards: pl.DataFrame) -> pl.DataFrame:
    """Compare the sides of every pair, by reward and by length.

    Args:
        pairs: pair_id, subset, prompt, chosen, rejected (message lists).
        rewards: pair_id, chosen_reward, rejected_reward; a pair without a reward, such as one that
            is longer than the model's context, has no row.

    Returns:
        pair_id, subset, prompt_id, pair_accuracy, longer_wins, in the order of `pairs`. The last
        two are 1, 1/2 or 0, and null without a reward, so that model and baseline are measured on
        the same pairs.

    Raises:
        InputError: a reward of an unknown pair, a repeated pair, or a reward that is not finite.
    """
    unsound = {
        "a reward of an unknown pair": rewards.join(pairs, on="pair_id", how="anti"),
        "two rewards of one pair": rewards.filter(pl.col("pair_id").is_duplicated()),
        "a pair twice": pairs.filter(pl.col("pair_id").is_duplicated()),
        "a reward that is not finite": rewards.filter(
            ~pl.all_horizontal(pl.col("chosen_reward", "rejected_reward").is_finite())
        ),
    }
    for found, rows in unsound.items():
        if rows.height:
            raise InputError(
                "rewards do not match the pairs of a bench set",
                expected="finite rewards, at most one row per pair",
                found=f"{found}: {rows.height} rows, the first {rows['pair_id'][0]}",
                remedy="score each pair of this set once",
            )
    has_reward = pl.col("chosen_reward").is_not_null()
    return pairs.join(rewards, on="pair_id", how="left", maintain_order="left").select(
        "pair_id",
        "subset",
        identify_messages("prompt").alias("prompt_id"),
        pair_accuracy=higher(pl.col("chosen_reward"), pl.col("rejected_reward")),
        longer_wins=pl.when(has_reward).then(
            higher(count_response_chars("chosen"), count_response_chars("rejected"))
        ),
    )


def average_by_subset(scored: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Average the results of each subset.

    Args:
        scored: rows of `compare_pairs`.
        metric: one of `METRICS`.

    Returns:
        subset, accuracy (share; null if no pair has a reward), pairs, unscored_pairs; subsets in
        the order of their first rows.
    """
    return scored.group_by("subset", maintain_order=True).agg(
        accuracy=pl.col(metric).mean(),
        pairs=pl.col(metric).count().cast(pl.Int64),
        unscored_pairs=pl.col(metric).null_count().cast(pl.Int64),
    )


def measure_bench_set(
    pairs: pl.DataFrame,
    rewards: pl.DataFrame,
    sections: Sections,
    weights: Mapping[str, Weights],
    **labels: str,
) -> pl.DataFrame:
    """Measure a model on one bench set, and the length baseline on the same pairs.

    Args:
        pairs: as in `compare_pairs`.
        rewards: as in `compare_pairs`.
        sections: the set's sections.
        weights: its weights by name; the sections are computed once per name.
        labels: columns of `reward_bench_results` that identify the set and the model.

    Returns:
        `reward_bench_results`: sections, then subsets, for each of `METRICS`.

    Raises:
        InputError: as in `compare_pairs`.
    """
    scored = compare_pairs(pairs, rewards)
    rows = []
    for metric in METRICS:
        accuracies = average_by_subset(scored, metric)
        counted = {row["subset"]: row for row in accuracies.to_dicts()}
        for name, chosen in weights.items():
            for section in score_sections(accuracies, sections, chosen).to_dicts():
                subsets = sections[section["section"]]
                found = [counted[subset] for subset in subsets if subset in counted]
                rows.append(
                    {
                        "weights": name,
                        "level": "section",
                        "name": section["section"],
                        "metric": metric,
                        "value": section["value"],
                        "standard_error": None
                        if section["missing"]
                        else _estimate_error(scored, metric, subsets, chosen),
                        "pairs": sum(row["pairs"] for row in found),
                        "unscored_pairs": sum(row["unscored_pairs"] for row in found),
                        "missing": section["missing"],
                    }
                )
        rows += [
            {
                "level": "subset",
                "name": subset,
                "metric": metric,
                "value": None if row["accuracy"] is None else 100 * row["accuracy"],
                "standard_error": _estimate_error(scored, metric, [subset], {}),
                "pairs": row["pairs"],
                "unscored_pairs": row["unscored_pairs"],
                "missing": "" if row["pairs"] else subset,
            }
            for subset, row in counted.items()
        ]
    schema = schema_of("reward_bench_results")
    return pl.DataFrame([{**row, **labels} for row in rows], schema=schema)


def _estimate_error(
    scored: pl.DataFrame, metric: str, subsets: Sequence[str], weights: Weights
) -> float | None:
    """Estimate the standard error of a weighted mean of subset means, percentage points.

    sqrt(G/(G-1) sum_g u_g^2), u_g the sum over the pairs of prompt g of w_s/(W n_s) (x - mean_s).
    None if a subset has fewer than two prompts: its variance is unknown.
    """
    rows = scored.filter(pl.col("subset").is_in(list(subsets)), pl.col(metric).is_not_null())
    prompts = rows.group_by("subset").agg(pl.col("prompt_id").n_unique())["prompt_id"]
    if rows.is_empty() or cast(int, prompts.min()) < 2:
        return None
    size = pl.len().over("subset")
    weight = pl.col("subset").replace_strict(weights, return_dtype=pl.Float64) if weights else size
    share = weight / size
    residual = pl.col(metric) - pl.col(metric).mean().over("subset")
    terms = rows.select("prompt_id", term=share * residual / share.sum())
    sums = terms.group_by("prompt_id", maintain_order=True).agg(pl.col("term").sum())
    return 100 * sums.select(error_of_residuals(pl.col("term"))).item()
