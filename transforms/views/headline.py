"""The headline of a study: its policies side by side, and each selected one against the baselines.

Not here: the differences (`sql/reports/selected_contrasts.sql`), their print on a terminal
(`assets.cli.study_run.result`) and in the HTML report (`transforms.views.page.sections.answer`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from transforms.lake.asset_names import (
    BASELINES,
    INITIAL_POLICIES,
    REPORTED_BASELINES,
    name_model,
)
from transforms.lake.schemas.evaluation import DECODINGS

CLEAR = 2
"""Standard errors from which on a difference is called better or worse."""

SELECTED = " *"
"""Mark after the name of a selected policy."""

VERDICTS = BETTER, WORSE, UNCLEAR, NOT_JUDGED = (
    "better than",
    "worse than",
    "not clearly different from",
    "not judged (no standard error) against",
)
"""Verdicts on a policy against a baseline, in the order of a sentence."""


def find_metric(metrics: Iterable[str]) -> str:
    """Return the metric of the headline: the gold reward, else a further reward, else the reward.

    Of several further rewards the first in alphabetical order counts.

    Args:
        metrics: metrics of `evaluation_results`, with those of win rates.
    """
    names = set(metrics)
    if "gold_reward" in names:
        return "gold_reward"
    further = sorted(name for name in names - {"reward"} if f"win_rate_{name}" in names)
    return further[0] if further else "reward"


def tabulate_policies(results: pl.DataFrame, selected: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Tabulate the policies on the evaluation prompts, one table per decoding.

    Args:
        results: `evaluation_results`.
        selected: `selected_policies`.

    Returns:
        By decoding, one row per policy: model (a baseline, or experiment/iteration, with a star if
        it is selected), the headline metric, the reward, the win rate over π₀ by the headline
        metric, each with its standard error `_se`; chars, the mean length; kl to π₀, in nats. A
        column without values is left out.
    """
    rows = results.filter(split="evaluation")
    metric = find_metric(rows["metric"])
    rate = "win_rate_gold" if metric == "gold_reward" else f"win_rate_{metric}"
    alone, over_initial = pl.col("versus").is_null(), pl.col("versus").is_in(INITIAL_POLICIES)
    value, error = pl.col("value"), pl.col("standard_error")
    cells = {}
    for name, condition in {metric: alone, "reward": alone, rate: over_initial}.items():
        cells[name] = value.filter(pl.col("metric") == name, condition).first()
        cells[f"{name}_se"] = error.filter(pl.col("metric") == name, condition).first()
    for short, name in {"chars": "response_chars", "kl": "kl_to_initial"}.items():
        cells[short] = value.filter(pl.col("metric") == name, alone).first()
    table = rows.group_by("decoding", "experiment", "iteration", "model", maintain_order=True).agg(
        **cells
    )
    places = {name: place for place, name in enumerate(BASELINES)}
    chosen = set(selected.select("experiment", "model").rows())
    names = [
        name_model(*policy) + SELECTED * (policy in chosen)
        for policy in table.select("experiment", "model").rows()
    ]
    table = (
        table.with_columns(
            pl.Series("name", names, pl.String),
            place=pl.col("model").replace_strict(places, default=len(places)),
        )
        .sort("place", "experiment", "iteration", "model")
        .select("decoding", pl.col("name").alias("model"), *cells)
    )
    parts = {name: table.filter(decoding=name).drop("decoding") for name in DECODINGS}
    return {
        name: part.select(one.name for one in part if one.null_count() < part.height)
        for name, part in parts.items()
        if part.height
    }


def describe_contrasts(contrasts: pl.DataFrame) -> list[str]:
    """Describe each selected policy against the baselines: one sentence per decoding, experiment.

    A difference of the headline metric of two standard errors or more is called better or worse;
    one without a standard error is not judged.

    Args:
        contrasts: rows of the report `selected_contrasts`.

    Returns:
        Such as "Greedy: iterative/3 is better than sft_policy (+0.42 ± 0.02); worse than
        offline_dpo (-0.08 ± 0.01)."
    """
    rows = select_headline(contrasts)
    sentences = []
    for decoding in DECODINGS:
        of_decoding = rows.filter(decoding=decoding)
        for part in of_decoding.partition_by("experiment", maintain_order=True):
            experiment, model = part.select("experiment", "selected").row(0)
            policy = name_model(experiment, model)
            sentences.append(f"{decoding.capitalize()}: {policy} is {_judge(part)}.")
    return sentences


def count_verdicts(contrasts: pl.DataFrame) -> list[str]:
    """Count the selected policies that are better and worse than each baseline.

    Args:
        contrasts: rows of the report `selected_contrasts`.

    Returns:
        One sentence per decoding, such as "Greedy, 12 selected policies: better than sft_policy (9)
        and offline_dpo (4); worse than sft_policy (1)."
    """
    rows = select_headline(contrasts)
    sentences = []
    for decoding in DECODINGS:
        of_decoding = rows.filter(decoding=decoding)
        counts: dict[str, Counter[str]] = {}
        for row in _sort_by_baseline(of_decoding):
            verdict = _judge_difference(row["difference"], row["difference_se"])
            counts.setdefault(verdict, Counter())[row["versus"]] += 1
        if counts:
            policies = of_decoding.select("experiment", "selected").n_unique()
            shown = {
                verdict: [f"{versus} ({number})" for versus, number in found.items()]
                for verdict, found in counts.items()
            }
            sentences.append(
                f"{decoding.capitalize()}, {policies} selected policies: {_join_verdicts(shown)}."
            )
    return sentences


def select_headline(contrasts: pl.DataFrame) -> pl.DataFrame:
    """Select the rows of the headline metric from those of `selected_contrasts`."""
    others = set(contrasts["metric"]) - {"response_chars"}
    metric = find_metric([*others, *(f"win_rate_{name}" for name in others)])
    return contrasts.filter(metric=metric)


def note_better_iterations(results: pl.DataFrame, selected: pl.DataFrame) -> list[str]:
    """Note where another iteration than the selected one is best on the evaluation prompts.

    Args:
        results: `evaluation_results`.
        selected: `selected_policies`.

    Returns:
        One sentence per experiment and decoding in which another iteration has the highest value of
        the headline metric.
    """
    metric = find_metric(results["metric"])
    rows = results.filter(
        pl.col("versus").is_null(), pl.col("iteration") > 0, split="evaluation", metric=metric
    ).sort("value", descending=True, maintain_order=True)
    notes = []
    for decoding in DECODINGS:
        for choice in selected.sort("experiment").iter_rows(named=True):
            found = rows.filter(decoding=decoding, experiment=choice["experiment"])
            own = found.filter(model=choice["model"])
            if own.is_empty() or found["value"][0] <= own["value"][0]:
                continue
            best, chosen = (
                name_model(*one.select("experiment", "model").row(0)) for one in (found, own)
            )
            notes.append(
                f"{decoding.capitalize()}: {best} has a higher {metric} ({found['value'][0]:.3f}) "
                f"than {chosen} ({own['value'][0]:.3f}), which the validation prompts selected."
            )
    return notes


def _judge(contrasts: pl.DataFrame) -> str:
    """Return what a policy is better and worse than, from its rows of one decoding."""
    parts: dict[str, list[str]] = {}
    for row in _sort_by_baseline(contrasts):
        difference, error = row["difference"], row["difference_se"]
        shown = f"{difference:+.3f}" + ("" if error is None else f" ± {error:.3f}")
        verdict = _judge_difference(difference, error)
        parts.setdefault(verdict, []).append(f"{row['versus']} ({shown})")
    return _join_verdicts(parts)


def _join_verdicts(baselines: Mapping[str, Sequence[str]]) -> str:
    """Join baselines by verdict, in the order of the verdicts."""
    return "; ".join(
        f"{verdict} {_join(baselines[verdict])}" for verdict in VERDICTS if verdict in baselines
    )


def _sort_by_baseline(contrasts: pl.DataFrame) -> list[dict[str, Any]]:
    ranks = {name: place for place, name in enumerate(REPORTED_BASELINES)}
    return sorted(contrasts.to_dicts(), key=lambda row: ranks.get(row["versus"], len(ranks)))


def _judge_difference(difference: float, error: float | None) -> str:
    """Return the verdict on a difference with its standard error."""
    if error is None:
        return NOT_JUDGED
    if abs(difference) < CLEAR * error or not difference:
        return UNCLEAR
    return BETTER if difference > 0 else WORSE


def _join(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + [names[-1]])
