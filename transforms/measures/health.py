"""An iteration's health before it is trained: length, repetition, refusals, another ranker's view.

Lives here: the figures of a slice's responses and pairs, and which of them are beyond a bound. Not
here: the bounds (`training.settings.health`), the same for policies after training
(`transforms.measures.evaluation`).

A policy that has learned to please its ranker shows it in what it writes: longer responses that win
by length, the same phrases again and again, one answer to many prompts; and a second ranker begins
to differ. Every error is clustered by prompt, as a prompt's responses are alike.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures import bootstrap
from transforms.measures.clustered import error_of_mean, higher
from transforms.measures.length_bias import within_prompt_slope
from transforms.measures.repetition import across_prompts, refusals, repeated_ngrams

TABLE = "iteration_health"


class Watched(NamedTuple):
    """A figure with a bound, and the check that warns of it."""

    check: str
    kind: str
    """max | min."""
    metric: str
    concern: str
    """What it may mean that the figure is beyond its bound."""

    @property
    def setting(self) -> str:
        """Name of the bound among a recipe's `health` settings."""
        return f"{self.kind}_{self.metric}"

    @property
    def description(self) -> str:
        """What the check says on the asset's page."""
        side = "at most" if self.kind == "max" else "at least"
        return f"{self.metric} is {side} health.{self.setting}; else {self.concern}."


WATCHED = (
    Watched("length_is_not_rewarded", "max", "reward_length_correlation",
            "the ranker rewards length"),
    Watched("chosen_are_not_longer", "max", "chosen_to_rejected_chars",
            "DPO will be told to write longer"),
    Watched("longer_are_not_chosen", "max", "longer_chosen_share",
            "the longer response is mostly the chosen one"),
    Watched("few_repeated_ngrams", "max", "repeated_4gram_share",
            "responses repeat themselves"),
    Watched("few_duplicates_across_prompts", "max", "duplicate_share",
            "different prompts get the same response"),
    Watched("few_truncated_responses", "max", "truncated_share",
            "responses end at max_tokens"),
    Watched("few_refusals", "max", "refusal_share",
            "responses refuse"),
    Watched("rankers_agree", "min", "ranker_agreement",
            "another ranker orders the same responses otherwise"),
)  # fmt: skip


def measure(
    generations: pl.DataFrame, scores: pl.DataFrame, pairs: pl.DataFrame, others: pl.DataFrame
) -> pl.DataFrame:
    """Measure the health of one slice.

    Args:
        generations: rows of the slice.
        scores: its rows; a response without a reward has no part in what rests on rewards.
        pairs: `dpo_pairs` of the slice.
        others: from `second_opinions`.

    Returns:
        One row: `iteration_health`. A figure that nothing determines is null.
    """
    key = ["prompt_id", "response_index"]
    rewards = scores.select(*key, "ranker", "reward")
    responses = generations.join(rewards, on=key, how="left")
    rewarded = responses.filter(pl.col("reward").is_finite())
    slope = within_prompt_slope(rewarded, "chars") if rewarded.height else None
    texts = responses.select(
        "prompt_id",
        pl.col("response_chars").cast(pl.Float64),
        repeated_4gram_share=repeated_ngrams(responses["response"]),
        duplicate_share=across_prompts(responses),
        truncated_share=pl.col("finish_reason") == "length",
        refusal_share=refusals(responses["response"]),
    )
    lengths = _pair_lengths(pairs)
    row = {
        "experiment": generations["experiment"].first(),
        "iteration": generations["iteration"].first(),
        "ranker": scores["ranker"].first(),
        "prompts": responses["prompt_id"].n_unique(),
        "responses": responses.height,
        "pairs": pairs.height,
        "reward_length_slope": slope.value if slope else None,
        "reward_length_slope_se": slope.standard_error if slope else None,
        **_figures(_correlations(rewarded), "reward_length_correlation"),
        **_figures(texts, *texts.columns[1:]),
        **_figures(lengths, "chosen_minus_rejected_chars", "longer_chosen_share"),
        **_length_ratio(lengths),
        **_lowest_agreement(rewarded, others),
    }
    frame = pl.DataFrame([row], schema=schema_of(TABLE))
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def second_opinions(
    generations: pl.LazyFrame, scores: pl.LazyFrame, experiment: str
) -> pl.DataFrame:
    """Find the rewards that other rankers have given to the responses of a slice.

    Experiments that differ in nothing before it share an iteration's responses.

    Args:
        generations: rows of the iteration, of every experiment.
        scores: the same.
        experiment: whose responses they are.

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
    if others.is_empty():  # the usual case, in which no text has to be read
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


def concerns(row: Mapping[str, Any], bounds: Mapping[str, float | None]) -> dict[str, str]:
    """Say which figures of a row are beyond their bounds, by check.

    Args:
        row: of `iteration_health`.
        bounds: by setting; null is no bound.
    """
    found = {}
    for one in WATCHED:
        bound, value = bounds[one.setting], row[one.metric]
        if bound is None or value is None:
            continue
        if value > bound if one.kind == "max" else value < bound:
            side = "above" if one.kind == "max" else "below"
            error = row[f"{one.metric}_se"]
            found[one.check] = (
                f"{one.metric} {value:.3g}{'' if error is None else f' ± {error:.2g}'} is {side}"
                f" {bound:g}: {one.concern}"
            )
    return found


def _figures(rows: pl.DataFrame, *names: str) -> dict[str, float | None]:
    """Average over prompts, each prompt's rows first, with the standard error over prompts."""
    means = rows.group_by("prompt_id").agg(pl.col(names).cast(pl.Float64).mean())
    figures = means.select(
        *(pl.col(name).mean() for name in names),
        *(error_of_mean(pl.col(name)).alias(f"{name}_se") for name in names),
    )
    return figures.row(0, named=True)


def _correlations(rewarded: pl.DataFrame) -> pl.DataFrame:
    """Pearson's r of reward and characters within the prompts where both vary."""
    reward, chars = pl.col("reward"), pl.col("response_chars").cast(pl.Float64)
    varied = (reward.min() < reward.max()) & (chars.min() < chars.max())
    rows = rewarded.group_by("prompt_id").agg(
        varied=varied, reward_length_correlation=pl.corr(reward, chars)
    )
    return rows.filter("varied")


def _pair_lengths(pairs: pl.DataFrame) -> pl.DataFrame:
    chosen, rejected = (
        pl.col(side).list.last().struct.field("content").str.len_chars().cast(pl.Float64)
        for side in ("chosen", "rejected")
    )
    return pairs.select(
        "prompt_id",
        chosen_chars=chosen,
        rejected_chars=rejected,
        chosen_minus_rejected_chars=chosen - rejected,
        longer_chosen_share=higher(chosen, rejected),
    )


def _length_ratio(lengths: pl.DataFrame) -> dict[str, float | None]:
    if lengths.is_empty() or not lengths["rejected_chars"].sum():
        return {}
    ratio = bootstrap.ratio(lengths, "chosen_chars", "rejected_chars")
    name = "chosen_to_rejected_chars"
    return {name: ratio.value, f"{name}_se": ratio.standard_error}


def _lowest_agreement(rewarded: pl.DataFrame, others: pl.DataFrame) -> dict[str, Any]:
    """Compare the order of every two responses of a prompt with the other ranker that differs most.

    Two that one ranker ties and the other orders are half alike.
    """
    both = rewarded.select("prompt_id", "response_index", "reward").join(
        others.filter(pl.col("other_reward").is_finite()), on=["prompt_id", "response_index"]
    )
    pairs = both.join(both, on=["prompt_id", "other_experiment"], suffix="_second").filter(
        pl.col("response_index") < pl.col("response_index_second")
    )
    signs = [
        (pl.col(name) - pl.col(f"{name}_second")).sign() for name in ("reward", "other_reward")
    ]
    alike = pairs.with_columns(ranker_agreement=1 - (signs[0] - signs[1]).abs() / 2)
    rows = [
        {"other_ranker": ranker, **_figures(part, "ranker_agreement")}
        for (_, ranker), part in sorted(
            alike.partition_by("other_experiment", "other_ranker", as_dict=True).items()
        )
    ]
    return min(rows, key=lambda row: row["ranker_agreement"], default={})
