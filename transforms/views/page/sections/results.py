"""Sections of results on held-out prompts, and of the selection of policies.

Not here: the comparison with the baselines (`transforms.views.page.sections.answer`), benchmarks
(`transforms.views.page.sections.benchmarks`).
"""

from collections.abc import Mapping
from typing import Any, cast

import polars as pl
import polars.selectors as cs

from transforms.formats import ID_CHARS
from transforms.lake.asset_names import REPORTED_BASELINES
from transforms.lake.schemas.table import SHARED
from transforms.views.page.blocks import Block, Figure, Section
from transforms.views.page.cells import Kind, RowKind, make_table
from transforms.views.page.opened_lake import Source
from transforms.views.plots.figures import render_svg
from transforms.views.plots.progress import MOST_LINES, plot_progress
from transforms.views.plots.reward_by_kl import plot_reward_by_kl

PROGRESS_TITLES = {
    "gold_reward": "gold reward",
    "reward": "reward",
    "win_rate_gold": "win rate over π₀, gold reward",
    "win_rate_reward": "win rate over π₀, reward",
    "reward_accuracy": "reward accuracy",
    "truncated_fraction": "cut at the limit",
    "response_tokens": "response length",
    "response_chars": "response length",
    "kl_to_initial": "KL to π₀",
}

OUTCOME_TITLES = {
    **PROGRESS_TITLES,
    "selected_iteration": "iteration",
    "gold_minus_offline_dpo": "gold reward minus offline_dpo",
    "reward_minus_offline_dpo": "reward minus offline_dpo",
    "gold_minus_iterative": "gold reward minus iterative",
    "reward_minus_iterative": "reward minus iterative",
}


def show_progress(source: Source) -> Section:
    """Show the results of all policies over the iterations."""
    rows = source.report("iteration_progress")
    blocks: list[Block] = []
    if rows.height:
        results = source.table("evaluation_results")
        experiments = sorted(set(results["experiment"]) - {SHARED})
        for start in range(0, max(1, len(experiments)), MOST_LINES):
            shown = experiments[start : start + MOST_LINES]
            blocks.append(
                Figure(
                    "Sampled responses to the evaluation prompts, from π₀ to the last "
                    "iteration; baselines as horizontal lines. Points are means, bars one "
                    "standard error, clustered by prompt. At a win rate of 0.5 both are equal."
                    + (
                        f" Experiments: {', '.join(shown)}."
                        if len(experiments) > MOST_LINES
                        else ""
                    ),
                    render_svg(plot_progress(results, shown), f"{source.name}-progress-{start}"),
                )
            )
        distances = source.report("reward_by_kl")
        for start in range(0, max(1, len(experiments)), MOST_LINES):
            shown = experiments[start : start + MOST_LINES]
            blocks.append(
                Figure(
                    "Reward and gold reward by the distance from π₀, of the same responses; the "
                    "number of a point is its iteration. Where the reward rises and the gold "
                    "reward falls, the policy exploits the ranker (over-optimisation). Bars are "
                    "one standard error.",
                    render_svg(
                        plot_reward_by_kl(distances, shown), f"{source.name}-reward-by-kl-{start}"
                    ),
                )
            )
        for decoding, how in {
            "sampled": "sampled at temperature 1",
            "greedy": "decoded greedily",
        }.items():
            blocks.append(
                make_table(
                    _merge_baselines(rows.filter(decoding=decoding)).drop(
                        "decoding", "selected", "prompts"
                    ),
                    f"{count_prompts(rows):,} evaluation prompts, responses {how}. ± is one "
                    "standard error, clustered by prompt. Bold: the policy that the validation "
                    "prompts selected.",
                    titles=PROGRESS_TITLES,
                    kind=_mark_selected(rows),
                )
            )
    return Section(
        "progress",
        "Progress over the iterations",
        "The loop optimises the reward. The gold reward, if there is one, is the true quality that "
        "the reward approximates; reward accuracy is the share of pairs of responses that the "
        "reward orders like it. KL is the distance of the policy from π₀.",
        blocks,
        absent="No policy has been evaluated.",
    )


def _merge_baselines(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per baseline, first and as experiment `shared`; other rows follow."""
    baseline = pl.col("model").is_in(list(REPORTED_BASELINES))
    shared = rows.filter(baseline).unique("model", keep="first", maintain_order=True)
    experiment = pl.lit(SHARED).alias("experiment")
    return pl.concat([shared.with_columns(experiment), rows.filter(~baseline)])


def _mark_selected(rows: pl.DataFrame) -> Kind:
    """Return a function that marks the rows of selected policies."""
    chosen = set(rows.filter(pl.col("selected")).select("experiment", "model").rows())

    def find_kind(row: Mapping[str, Any]) -> RowKind:
        return "selected" if (row["experiment"], row["model"]) in chosen else ""

    return find_kind


def count_prompts(rows: pl.DataFrame) -> int:
    """Return the number of prompts that the results of a report are means of."""
    return cast(int, rows["prompts"].max())


def show_selection(source: Source) -> Section:
    """Show the selected policies, and the decisions on promotion."""
    rows = source.report("policy_selection")
    blocks: list[Block] = []
    if rows.height:
        metric = rows["metric"][0].replace("_", " ")
        blocks.append(
            make_table(
                rows.drop("metric").with_columns(pl.col("policy_id").str.head(ID_CHARS)),
                f"Mean {metric} of sampled responses to the validation prompts, which no other "
                "section shows. ± is one standard error, clustered by prompt.",
                titles={"value": metric, "policy_id": "policy"},
                kind=lambda row: "selected" if row["selected"] else "",
            )
        )
    decisions = source.report("promotion_decisions")
    if decisions.height:
        blocks.append(
            make_table(
                decisions.select(
                    "decided_utc",
                    "experiment",
                    "model",
                    pl.col("policy_id", "current_id").str.head(ID_CHARS),
                    cs.by_name("promoted", "metric", "split", "reason")
                    | cs.starts_with("advantage"),
                    "level",
                ),
                "Decisions on promotion, the last one first: whether a selected policy became the "
                "current policy. The advantage is over the current policy at that time, on "
                "the prompts of the split, with its interval at the level. If a policy is not "
                "promoted, the current policy stays.",
                titles={
                    "decided_utc": "decided",
                    "policy_id": "policy",
                    "current_id": "over",
                    "advantage_low": "from",
                    "advantage_high": "to",
                },
                interval=True,
            )
        )
    return Section(
        "selection",
        "Which policy was selected, and why",
        "The iteration with the highest mean on the validation prompts is selected, the earlier "
        "one on a tie (Algorithm 1 of the paper, last line). If the recipe promotes policies, it "
        "becomes the current policy only if it is better than the current one.",
        blocks,
        absent="No policy has been selected.",
    )
