"""Health of an iteration before training: length, repetition, refusals, agreement of rankers.

Not here: the comparison with bounds (`transforms.measures.health.watched`), statistics of trained
policies (`transforms.measures.evaluation`).

A policy that exploits its ranker can be recognised without knowing the quality of its responses:
they grow longer and win by length, they repeat phrases, many prompts get the same response, a
second ranker or the members of an ensemble begin to disagree, a refreshed reward model forgets what
it knew, and the policy is far from π₀. Every standard error is clustered by prompt, because a
prompt's responses are similar.
"""

from math import hypot
from typing import Any

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures import bootstrap
from transforms.measures.clustered import error_of_mean, higher
from transforms.measures.length_bias import estimate_slope
from transforms.measures.refusals import find_refusals
from transforms.measures.repetition import find_duplicates_across_prompts, measure_repeated_ngrams
from transforms.measures.reward_accuracy import count_response_chars
from transforms.pairs.ensembles import measure_member_agreement, select_members

TABLE = "iteration_health"


def measure(
    generations: pl.DataFrame,
    scores: pl.DataFrame,
    pairs: pl.DataFrame,
    others: pl.DataFrame,
    first: pl.DataFrame,
    components: pl.DataFrame,
    accuracies: pl.DataFrame,
) -> pl.DataFrame:
    """Measure the health of one slice.

    Args:
        generations: rows of the slice.
        scores: rows of the slice; a response without a reward is ignored in statistics of rewards.
        pairs: `dpo_pairs` of the slice.
        others: from `find_other_rewards`.
        first: prompt_id, response_chars of the responses of iteration 1, which π₀ wrote; not used
            for a slice of iteration 1.
        components: `score_components` of the slice.
        accuracies: rows of `evaluation_results` with the pair_accuracy of the reward model from
            before the loop (iteration 0) and of the refreshed one that ranked the slice; without a
            refresh there is no second row.

    Returns:
        One row: `iteration_health`. A statistic without data is null.
    """
    key = ["prompt_id", "response_index"]
    rewards = scores.select(*key, "ranker", "reward")
    responses = generations.join(rewards, on=key, how="left", maintain_order="left")
    rewarded = responses.filter(pl.col("reward").is_finite())
    slope = estimate_slope(rewarded, "chars") if rewarded.height else None
    texts = responses.select(
        "prompt_id",
        pl.col("response_chars").cast(pl.Float64),
        repeated_4gram_share=measure_repeated_ngrams(responses["response"]),
        duplicate_share=find_duplicates_across_prompts(responses),
        truncated_share=pl.col("finish_reason") == "length",
        refusal_share=find_refusals(responses["response"]),
    )
    lengths = _compute_pair_lengths(pairs)
    row = {
        "experiment": generations["experiment"].first(),
        "iteration": generations["iteration"].first(),
        "ranker": scores["ranker"].first(),
        "prompts": responses["prompt_id"].n_unique(),
        "responses": responses.height,
        "pairs": pairs.height,
        "reward_length_slope": slope.value if slope else None,
        "reward_length_slope_se": slope.standard_error if slope else None,
        **_average(_correlate(rewarded), "reward_length_correlation"),
        **_average(texts, *texts.columns[1:]),
        **(_estimate_growth(texts, first) if generations["iteration"].first() != 1 else {}),
        **_average(lengths, "chosen_minus_rejected_chars", "longer_chosen_share"),
        **_estimate_length_ratio(lengths),
        **_find_lowest_agreement(rewarded, others),
        **_average(
            measure_member_agreement(responses, select_members(components)), "member_agreement"
        ),
        **_subtract_accuracies(accuracies),
    }
    frame = pl.DataFrame([row], schema=schema_of(TABLE))
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def find_other_rewards(
    generations: pl.LazyFrame, scores: pl.LazyFrame, experiment: str
) -> pl.DataFrame:
    """Find the rewards that other rankers gave to the responses of a slice.

    Experiments with equal settings up to this step share an iteration's responses.

    Args:
        generations: rows of the iteration, of every experiment.
        scores: rows of the iteration, of every experiment.
        experiment: experiment of the slice.

    Returns:
        prompt_id, response_index, other_experiment, other_ranker, other_reward.
    """
    key = ["prompt_id", "response_index"]
    mine = pl.col("experiment") == experiment
    ranked = scores.filter(mine).select("ranker_id", "ranking_id").unique()
    others = (
        scores.filter(~mine)
        .join(ranked, on=["ranker_id", "ranking_id"], how="anti", nulls_equal=True)
        .select(*key, other_experiment="experiment", other_ranker="ranker", other_reward="reward")
        .collect()
    )
    if others.is_empty():  # the usual case; no text has to be read
        return others
    texts = generations.select(*key, "response", "experiment")
    return (
        others.lazy()
        .join(
            texts.filter(~mine), left_on=[*key, "other_experiment"], right_on=[*key, "experiment"]
        )
        .join(texts.filter(mine).drop("experiment"), on=[*key, "response"])
        .select(others.columns)
        .collect()
    )


def _average(rows: pl.DataFrame, *names: str) -> dict[str, float | None]:
    """Average within each prompt, then over prompts, with the standard error over prompts."""
    means = rows.group_by("prompt_id", maintain_order=True).agg(
        pl.col(names).cast(pl.Float64).mean()
    )
    averages = means.select(
        *(pl.col(name).mean() for name in names),
        *(error_of_mean(pl.col(name)).alias(f"{name}_se") for name in names),
    )
    return averages.row(0, named=True)


def _correlate(rewarded: pl.DataFrame) -> pl.DataFrame:
    """Compute Pearson's r of reward and characters within each prompt where both vary."""
    reward, chars = pl.col("reward"), pl.col("response_chars").cast(pl.Float64)
    varied = (reward.min() < reward.max()) & (chars.min() < chars.max())
    rows = rewarded.group_by("prompt_id", maintain_order=True).agg(
        varied=varied, reward_length_correlation=pl.corr(reward, chars)
    )
    return rows.filter("varied")


def _compute_pair_lengths(pairs: pl.DataFrame) -> pl.DataFrame:
    chosen, rejected = (
        count_response_chars(side).cast(pl.Float64) for side in ("chosen", "rejected")
    )
    return pairs.select(
        "prompt_id",
        chosen_chars=chosen,
        rejected_chars=rejected,
        chosen_minus_rejected_chars=chosen - rejected,
        longer_chosen_share=higher(chosen, rejected),
    )


def _estimate_growth(texts: pl.DataFrame, first: pl.DataFrame) -> dict[str, float | None]:
    """Divide the mean length by that of the first iteration, whose prompts are different ones.

    So the two means are independent: relative errors add up in squares (delta method).
    """
    name = "response_chars"
    means = [_average(rows, name) for rows in (texts, first)]
    now, then = (mean[name] for mean in means)
    if not now or not then:
        return {}
    growth, error, error_then = now / then, *(mean[f"{name}_se"] for mean in means)
    if error is None or error_then is None:
        return {"length_growth": growth}
    relative = hypot(error / now, error_then / then)
    return {"length_growth": growth, "length_growth_se": growth * relative}


def _estimate_length_ratio(lengths: pl.DataFrame) -> dict[str, float | None]:
    if lengths.is_empty() or not lengths["rejected_chars"].sum():
        return {}
    ratio = bootstrap.estimate_ratio(lengths, "chosen_chars", "rejected_chars")
    name = "chosen_to_rejected_chars"
    return {name: ratio.value, f"{name}_se": ratio.standard_error}


def _subtract_accuracies(accuracies: pl.DataFrame) -> dict[str, float | None]:
    """Subtract the accuracy of a refreshed reward model from that of the one before the loop.

    Both are measured on the same pairs; the standard error is that of independent ones, which is
    larger.
    """
    rows = accuracies.sort("iteration").select("value", "standard_error").rows()
    if len(rows) < 2:
        return {}
    (before, error), (after, error_after) = rows
    drop = {"reward_accuracy_drop": before - after}
    if error is None or error_after is None:
        return drop
    return {**drop, "reward_accuracy_drop_se": hypot(error, error_after)}


def _find_lowest_agreement(rewarded: pl.DataFrame, others: pl.DataFrame) -> dict[str, Any]:
    """Compare the order of each two responses of a prompt; keep the ranker that agrees least.

    A pair that is a tie for exactly one of the two rankers counts one half.
    """
    both = rewarded.select("prompt_id", "response_index", "reward").join(
        others.filter(pl.col("other_reward").is_finite()),
        on=["prompt_id", "response_index"],
        maintain_order="left_right",
    )
    pairs = both.join(
        both,
        on=["prompt_id", "other_experiment"],
        suffix="_second",
        maintain_order="left_right",
    ).filter(pl.col("response_index") < pl.col("response_index_second"))
    signs = [
        (pl.col(name) - pl.col(f"{name}_second")).sign() for name in ("reward", "other_reward")
    ]
    alike = pairs.with_columns(ranker_agreement=1 - (signs[0] - signs[1]).abs() / 2)
    rows = [
        {"other_ranker": ranker, **_average(part, "ranker_agreement")}
        for (_, ranker), part in sorted(
            alike.partition_by("other_experiment", "other_ranker", as_dict=True).items()
        )
    ]
    return min(rows, key=lambda row: row["ranker_agreement"], default={})
