"""Differences between two slices of the loop: pairs, rewards, lengths, win rates.

Not here: reading slices (`transforms.lake.slices`). Differences are second minus first. Every
standard error is clustered by prompt: the unit is the prompt's mean; null with one prompt.
"""

from collections.abc import Mapping

import polars as pl

from transforms.lake.slices import LoopSlice
from transforms.measures.clustered import error_of_mean, higher
from transforms.measures.evaluation import contrast
from transforms.measures.reward_accuracy import count_response_chars

PROMPT = ["iteration", "prompt_id"]


def count_pair_changes(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Count the DPO pairs of two slices that are equal and those that changed.

    Responses are compared by their text. A pair is unchanged if both slices have it. If a prompt
    has exactly one other pair in each slice, the pair changed its chosen or rejected response. All
    remaining pairs (of rules that make several pairs per prompt) count as added or removed.

    Args:
        first: `dpo_pairs` of one slice.
        second: `dpo_pairs` of the other slice; rows of equal `iteration` are compared.

    Returns:
        One row per iteration: iteration, first_pairs, second_pairs, added (in the second only),
        removed, other_chosen, other_rejected, other_both, unchanged.
    """
    texts = ["chosen", "rejected"]
    before, after = (
        frame.select(
            *PROMPT,
            *(pl.col(side).list.last().struct.field("content").alias(side) for side in texts),
        )
        for frame in (first, second)
    )
    pair = [*PROMPT, *texts]
    unchanged = before.join(after, on=pair, how="semi")
    left, right = (
        one.join(other, on=pair, how="anti") for one, other in ((before, after), (after, before))
    )
    single = [rows.filter(pl.len().over(PROMPT) == 1) for rows in (left, right)]
    changed = single[0].join(single[1], on=PROMPT, suffix="_second")
    other_chosen = pl.col("chosen") != pl.col("chosen_second")
    other_rejected = pl.col("rejected") != pl.col("rejected_second")
    kinds = {
        "first_pairs": before,
        "second_pairs": after,
        "added": right.join(changed, on=PROMPT, how="anti"),
        "removed": left.join(changed, on=PROMPT, how="anti"),
        "other_chosen": changed.filter(other_chosen & ~other_rejected),
        "other_rejected": changed.filter(~other_chosen & other_rejected),
        "other_both": changed.filter(other_chosen & other_rejected),
        "unchanged": unchanged,
    }
    counted = pl.concat([before, after]).select(pl.col("iteration").unique())
    for kind, rows in kinds.items():
        counts = rows.group_by("iteration").agg(pl.len().alias(kind))
        counted = counted.join(counts, on="iteration", how="left")
    return counted.with_columns(pl.col(*kinds).fill_null(0)).sort("iteration")


def summarise_pairs(slices: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Average the pairs of several slices.

    Args:
        slices: `dpo_pairs` by name.

    Returns:
        One row per iteration and slice: iteration, slice, pairs, prompts (with a pair), margin
        (mean, of penalised rewards), chosen_chars, rejected_chars, longer_chosen (share of pairs;
        equal lengths one half).
    """
    rows = [
        pairs.select("iteration", "prompt_id", "margin", slice=pl.lit(name)).hstack(
            _compute_lengths(pairs).select("chosen_chars", "rejected_chars")
        )
        for name, pairs in slices.items()
    ]
    return (
        pl.concat(rows)
        .group_by("iteration", "slice", maintain_order=True)
        .agg(
            pairs=pl.len(),
            prompts=pl.col("prompt_id").n_unique(),
            margin=pl.col("margin").mean(),
            chosen_chars=pl.col("chosen_chars").mean(),
            rejected_chars=pl.col("rejected_chars").mean(),
            longer_chosen=higher(pl.col("chosen_chars"), pl.col("rejected_chars")).mean(),
        )
        .sort("iteration", maintain_order=True)
    )


def measure_shifts(first: LoopSlice, second: LoopSlice) -> pl.DataFrame:
    """Measure the change of mean rewards and lengths.

    Metrics: `reward_of_common_responses`, over responses of equal text and index (the change due to
    the ranker alone); `reward`, `response_chars`, `response_tokens`, over all responses to common
    prompts (the change due to ranker and policy); `chosen_chars`, `rejected_chars`, over the pairs
    of common prompts. A metric without common rows is left out.

    Returns:
        One row per iteration and metric: iteration, metric, difference, standard_error, prompts,
        rows (compared rows of the first slice).
    """
    responses, others = (_join_rewards(one) for one in (first, second))
    common = responses.join(others, on=[*PROMPT, "response_index", "response"], suffix="_second")
    same = common.select(*PROMPT, value=pl.col("reward_second") - pl.col("reward"), rows=pl.lit(1))
    parts = [_average(same, "reward_of_common_responses")]
    for metric in ("reward", "response_chars", "response_tokens"):
        parts.append(_average(_subtract(responses, others, metric), metric))
    pairs, other_pairs = (_compute_lengths(one.pairs) for one in (first, second))
    for metric in ("chosen_chars", "rejected_chars"):
        parts.append(_average(_subtract(pairs, other_pairs, metric), metric))
    return pl.concat(parts).sort("iteration", maintain_order=True)


def compare_policies(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """Compare the policies of two slices on the evaluation prompts that both answered.

    Args:
        first: `evaluation_responses` of one slice.
        second: `evaluation_responses` of the other slice; rows of equal `iteration` are compared.

    Returns:
        One row per iteration, decoding and metric: iteration, decoding, metric (win_rate_reward or
        win_rate_gold of the second slice's policy), value, standard_error, low, high (95% interval
        of the bootstrap over prompts), prompts.
    """
    iterations = sorted({*first["iteration"]} & {*second["iteration"]})
    parts = []
    for iteration in iterations:
        mine, theirs = (frame.filter(iteration=iteration) for frame in (second, first))
        prompts = ["decoding", "prompt_id"]
        if mine.join(theirs, on=prompts, how="semi").is_empty():
            continue
        rows = contrast(mine, theirs).filter(pl.col("metric").str.starts_with("win_rate"))
        parts.append(
            rows.select(
                iteration=pl.lit(iteration, dtype=pl.Int32),
                decoding="decoding",
                metric="metric",
                value="value",
                standard_error="standard_error",
                low="low",
                high="high",
                prompts="prompts",
            )
        )
    schema = {"iteration": pl.Int32, "decoding": pl.String, "metric": pl.String,
              "value": pl.Float64, "standard_error": pl.Float64, "low": pl.Float64,
              "high": pl.Float64, "prompts": pl.Int64}  # fmt: skip
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def _join_rewards(one: LoopSlice) -> pl.DataFrame:
    keys = [*PROMPT, "response_index"]
    return one.generations.join(one.scores.select(*keys, "reward"), on=keys, how="left")


def _compute_lengths(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.select(
        *PROMPT,
        *(count_response_chars(side).alias(f"{side}_chars") for side in ("chosen", "rejected")),
    )


def _subtract(first: pl.DataFrame, second: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Subtract the first's mean from the second's, for each common prompt."""
    means = [
        frame.drop_nulls(metric)
        .group_by(PROMPT, maintain_order=True)
        .agg(mean=pl.col(metric).cast(pl.Float64).mean(), rows=pl.len())
        for frame in (first, second)
    ]
    both = means[0].join(means[1], on=PROMPT, suffix="_second", maintain_order="left")
    return both.select(*PROMPT, value=pl.col("mean_second") - pl.col("mean"), rows="rows")


def _average(rows: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Average within each prompt, then over prompts."""
    prompts = (
        rows.drop_nulls("value")
        .group_by(PROMPT, maintain_order=True)
        .agg(pl.col("value").mean(), pl.col("rows").sum().cast(pl.Int64))
    )
    return prompts.group_by("iteration").agg(
        metric=pl.lit(metric),
        difference=pl.col("value").mean(),
        standard_error=error_of_mean(pl.col("value")),
        prompts=pl.len().cast(pl.Int64),
        rows=pl.col("rows").sum(),
    )
