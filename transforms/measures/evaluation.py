"""Statistics of evaluation responses: means, differences, win rates, errors and intervals.

Not here: sampling, scoring; reward models on held-out pairs
(`transforms.measures.reward_accuracy`).

Responses to one prompt are not independent, so every standard error is clustered by prompt: the
unit is the prompt's mean (`transforms.measures.clustered`). Intervals are 95% intervals of the
bootstrap over prompts (`transforms.measures.bootstrap`). The bootstrap's own standard error is not
used: the clustered one is exact for a mean. With one prompt both are null.
"""

from collections.abc import Sequence

import polars as pl

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import LOOP_SLICE
from transforms.measures import bootstrap
from transforms.measures.clustered import error_of_mean, higher

GROUP = ["split", "decoding"]
COMPARED = ("reward", "gold_reward", "response_tokens", "response_chars")
"""Metrics whose paired differences between two models are computed."""

COLUMNS = [name for name in schema_of("evaluation_results") if name not in LOOP_SLICE]


def add_rewards(responses: pl.DataFrame, name: str, scores: pl.DataFrame) -> pl.DataFrame:
    """Add a column of further rewards to one model's responses; null: the response has none.

    Args:
        responses: `evaluation_responses` rows of one model.
        name: name of the column.
        scores: rows of `evaluation_scores` of that model and of one ranker.
    """
    key = ["split", "decoding", "prompt_id", "response_index"]
    column = scores.select(*key, pl.col("reward").alias(name))
    return responses.join(column, on=key, how="left", validate="1:1", maintain_order="left")


def summarise(responses: pl.DataFrame, further: Sequence[str] = ()) -> pl.DataFrame:
    """Summarise one model's responses: one row per split, decoding and metric.

    Metrics: reward, gold_reward, response_tokens, response_chars, truncated_fraction; where the
    decoding is `sampled`, also kl_to_initial (nats; an estimate of KL(π || π₀) without bias that
    is never negative) and reward_accuracy (of a prompt's pairs of responses with different gold
    rewards, the share that the reward orders in the same way; a tie of the reward is one half). A
    metric without any value has no row.

    Args:
        responses: `evaluation_responses` rows of one model.
        further: columns of further rewards (`add_rewards`); each is a metric.

    Returns:
        model, policy_id, split, decoding, metric, versus, value, standard_error, prompts, low,
        high.

    Raises:
        InputError: rows of more than one model.
    """
    sampled = pl.col("decoding") == "sampled"
    metrics = responses.with_columns(
        truncated_fraction=(pl.col("finish_reason") == "length").cast(pl.Float64),
        kl_to_initial=pl.when(sampled).then("kl_to_initial"),
    )
    names = [*COMPARED, *further, "truncated_fraction", "kl_to_initial"]
    prompt_means = pl.concat(
        [_prompt_means(metrics, names), _reward_accuracy(responses.filter(sampled))]
    )
    return _add_labels(_average_over_prompts(prompt_means), responses, versus=None)


def contrast(
    responses: pl.DataFrame, other: pl.DataFrame, further: Sequence[str] = ()
) -> pl.DataFrame:
    """Compare one model with another on their common prompts, in the columns of `summarise`.

    reward, gold_reward, response_tokens and response_chars: the mean difference of the prompts'
    means (first minus other). win_rate_reward and win_rate_gold: all pairs of a response of the
    first and one of the other, 1 where the first is higher, one half on a tie, averaged within each
    prompt and then over prompts. `further` names columns of further rewards (`add_rewards`); each
    is a metric like reward, and win_rate_<name> its win rate.

    Raises:
        InputError: rows of more than one model on a side, or no common prompt.
    """
    keys = [*GROUP, "metric", "prompt_id"]
    compared = [*COMPARED, *further]
    mine, theirs = _prompt_means(responses, compared), _prompt_means(other, compared)
    both = mine.join(theirs, on=keys, suffix="_other", maintain_order="left")
    if both.is_empty():
        raise InputError(
            f"models {_name(responses)} and {_name(other)} cannot be compared",
            expected="responses of both models to the same prompts, with equal split and decoding",
            found="no common prompt",
            remedy="evaluate both models on the same prompt_splits",
        )
    differences = both.select(*keys, value=pl.col("value") - pl.col("value_other"))
    names = {name: f"win_rate_{name}" for name in further}
    names |= {"reward": "win_rate_reward", "gold_reward": "win_rate_gold"}
    crossed = responses.join(other, on=[*GROUP, "prompt_id"], suffix="_other").with_columns(
        higher(pl.col(name), pl.col(f"{name}_other")).alias(rate) for name, rate in names.items()
    )
    wins = _prompt_means(crossed, [*names.values()])
    rows = _average_over_prompts(pl.concat([differences, wins]))
    return _add_labels(rows, responses, versus=_name(other))


def select_policies(results: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Select each experiment's best policy: highest sampled validation value, the earlier on ties.

    Algorithm 1 of the paper, last line.

    Args:
        results: `evaluation_results`; iteration 0 and comparisons of two models are ignored.
        metric: metric by which policies are selected.

    Returns:
        `selected_policies`.

    Raises:
        InputError: no policy of an iteration has the metric.
    """
    candidates = results.filter(
        pl.col("iteration") > 0,
        pl.col("split") == "validation",
        pl.col("decoding") == "sampled",
        pl.col("metric") == metric,
        pl.col("versus").is_null(),
    )
    if candidates.is_empty():
        raise InputError(
            "no policy can be selected",
            expected=f"{metric} of sampled validation responses in evaluation_results",
            found=f"metrics {', '.join(sorted(set(results['metric']))) or 'none'}",
            remedy="evaluate the iterations first, or change evaluation.selection_metric",
        )
    best = candidates.sort("experiment", "value", "iteration", descending=[False, True, False])
    return best.unique("experiment", keep="first", maintain_order=True).select(
        list(schema_of("selected_policies"))
    )


def _prompt_means(rows: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """Average each metric within split, decoding and prompt; nulls do not count."""
    keys = [*GROUP, "prompt_id"]
    numbers = rows.select(*keys, pl.col(metrics).cast(pl.Float64))
    long = numbers.unpivot(metrics, index=keys, variable_name="metric", value_name="value")
    groups = long.drop_nulls("value").group_by(*GROUP, "metric", "prompt_id", maintain_order=True)
    return groups.agg(pl.col("value").mean())


def _reward_accuracy(sampled: pl.DataFrame) -> pl.DataFrame:
    pairs = sampled.join(sampled, on=[*GROUP, "prompt_id"], suffix="_other").filter(
        pl.col("gold_reward") > pl.col("gold_reward_other")
    )
    right = higher(pl.col("reward"), pl.col("reward_other"))
    return _prompt_means(pairs.with_columns(reward_accuracy=right), ["reward_accuracy"])


def _average_over_prompts(prompt_means: pl.DataFrame) -> pl.DataFrame:
    keys = [*GROUP, "metric"]
    rows = prompt_means.group_by(keys, maintain_order=True).agg(
        pl.col("value").mean(),
        standard_error=error_of_mean(pl.col("value")),
        prompts=pl.len().cast(pl.Int64),
    )
    intervals = bootstrap.estimate_means(prompt_means, keys).select(*keys, "low", "high")
    return rows.join(intervals, on=keys, maintain_order="left")


def _add_labels(rows: pl.DataFrame, responses: pl.DataFrame, versus: str | None) -> pl.DataFrame:
    return rows.with_columns(
        model=pl.lit(_name(responses)),
        policy_id=pl.lit(responses["policy_id"].first(), dtype=pl.String),
        versus=pl.lit(versus, dtype=pl.String),
    ).select(COLUMNS)


def _name(responses: pl.DataFrame) -> str:
    names = responses.select("model", "policy_id").unique(maintain_order=True).rows()
    if len(names) != 1:
        raise InputError(
            "responses cannot be summarised",
            expected="rows of one model and one policy_id",
            found=f"{len(names)}: {', '.join(f'{model} ({policy})' for model, policy in names)}",
            remedy="read one slice and filter it to one model",
        )
    return names[0][0]
