"""Results of a model on labelled pairs that have subsets, beside the length-only baseline.

Not here: scoring, and which subsets make a section (`transforms.public_sets`). A pair counts 1
where the chosen response has the higher reward, 1/2 on a tie, 0 otherwise. Standard errors are
clustered by prompt: pairs of one are not independent.
"""

from collections.abc import Mapping, Sequence

import polars as pl

from transforms.benchmarks.reward_bench.sections import section_scores
from transforms.errors import InputError
from transforms.identity import identify_messages
from transforms.lake.schemas import schema_of
from transforms.measures.clustered import error_of_residuals, higher
from transforms.public_sets.benchmark_set import Sections, Weights

METRICS = ("pair_accuracy", "longer_wins")
"""The reward's result, and that of length alone: the response of more characters wins."""


def judge_pairs(pairs: pl.DataFrame, rewards: pl.DataFrame) -> pl.DataFrame:
    """Give every pair its result, by reward and by length.

    Args:
        pairs: pair_id, subset, prompt, chosen, rejected (message lists).
        rewards: pair_id, chosen_reward, rejected_reward; a pair that could not be scored, such as
            one that is longer than the model's context, has no row.

    Returns:
        pair_id, subset, prompt_id, pair_accuracy, longer_wins: 1, 1/2 or 0, both null where there
        is no reward, so that model and baseline are measured on the same pairs. In order.

    Raises:
        InputError: rewards of other pairs, a pair twice, or a reward that is not finite.
    """
    unsound = {
        "the reward of no pair": rewards.join(pairs, on="pair_id", how="anti"),
        "two rewards of a pair": rewards.filter(pl.col("pair_id").is_duplicated()),
        "a pair twice": pairs.filter(pl.col("pair_id").is_duplicated()),
        "a reward that is not finite": rewards.filter(
            ~pl.all_horizontal(pl.col("chosen_reward", "rejected_reward").is_finite())
        ),
    }
    for found, rows in unsound.items():
        if rows.height:
            raise InputError(
                "rewards do not fit the pairs of a bench set",
                expected="finite rewards, at most one row per pair",
                found=f"{found}: {rows.height} rows, the first {rows['pair_id'][0]}",
                remedy="score the pairs of this set, each once",
            )
    scored = pl.col("chosen_reward").is_not_null()
    return pairs.join(rewards, on="pair_id", how="left", maintain_order="left").select(
        "pair_id",
        "subset",
        identify_messages("prompt").alias("prompt_id"),
        pair_accuracy=higher(pl.col("chosen_reward"), pl.col("rejected_reward")),
        longer_wins=pl.when(scored).then(higher(_chars("chosen"), _chars("rejected"))),
    )


def subset_accuracies(judged: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Average the results of each subset.

    Takes the rows of `judge_pairs`; returns subset, accuracy (share, null where no pair was
    scored), pairs, unscored_pairs; in the order in which subsets first appear.
    """
    return judged.group_by("subset", maintain_order=True).agg(
        accuracy=pl.col(metric).mean(),
        pairs=pl.col(metric).count().cast(pl.Int64),
        unscored_pairs=pl.col(metric).null_count().cast(pl.Int64),
    )


def bench_results(
    pairs: pl.DataFrame,
    rewards: pl.DataFrame,
    sections: Sections,
    weights: Mapping[str, Weights],
    **labels: str,
) -> pl.DataFrame:
    """Measure a model on one bench set, and length alone on the same pairs.

    Args:
        pairs: as in `judge_pairs`.
        rewards: as in `judge_pairs`.
        sections: the set's sections.
        weights: its weights by name; each gives the sections once.
        labels: the columns of `reward_bench_results` that identify what was measured.

    Returns:
        `reward_bench_results`: sections, then subsets, for each of `METRICS`.

    Raises:
        InputError: as in `judge_pairs`.
    """
    judged = judge_pairs(pairs, rewards)
    rows = []
    for metric in METRICS:
        accuracies = subset_accuracies(judged, metric)
        counted = {row["subset"]: row for row in accuracies.to_dicts()}
        for name, chosen in weights.items():
            for section in section_scores(accuracies, sections, chosen).to_dicts():
                subsets = sections[section["section"]]
                whole = not section["missing"]
                found = [counted[subset] for subset in subsets if subset in counted]
                rows.append(
                    {
                        "weights": name,
                        "level": "section",
                        "name": section["section"],
                        "metric": metric,
                        "value": section["value"],
                        "standard_error": _error(judged, metric, subsets, chosen)
                        if whole
                        else None,
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
                "standard_error": _error(judged, metric, [subset], {}),
                "pairs": row["pairs"],
                "unscored_pairs": row["unscored_pairs"],
                "missing": "" if row["pairs"] else subset,
            }
            for subset, row in counted.items()
        ]
    schema = schema_of("reward_bench_results")
    return pl.DataFrame([{**row, **labels} for row in rows], schema=schema)


def _error(
    judged: pl.DataFrame, metric: str, subsets: Sequence[str], weights: Weights
) -> float | None:
    """Standard error of a weighted mean of subsets' means, percentage points.

    sqrt(G/(G-1) sum_g u_g^2), u_g the sum over the pairs of prompt g of w_s/(W n_s) (x - mean_s).
    None where a subset has fewer than two prompts: it has no spread.
    """
    rows = judged.filter(pl.col("subset").is_in(list(subsets)), pl.col(metric).is_not_null())
    prompts = rows.group_by("subset").agg(pl.col("prompt_id").n_unique())["prompt_id"]
    if rows.is_empty() or prompts.min() < 2:
        return None
    size = pl.len().over("subset")
    weight = pl.col("subset").replace_strict(weights, return_dtype=pl.Float64) if weights else size
    share = weight / size
    residual = pl.col(metric) - pl.col(metric).mean().over("subset")
    terms = rows.select("prompt_id", term=share * residual / share.sum())
    sums = terms.group_by("prompt_id", maintain_order=True).agg(pl.col("term").sum())
    return 100 * sums.select(error_of_residuals(pl.col("term"))).item()


def _chars(column: str) -> pl.Expr:
    return pl.col(column).list.last().struct.field("content").str.len_chars()
