"""Sections of sampled responses: rewards, margins, lengths, signs of reward hacking.

Not here: their texts (`transforms.views.page.sections.browse`), results on held-out prompts
(`transforms.views.page.sections.results`).
"""

import polars as pl

from transforms.views.page.blocks import Block, Figure, Section
from transforms.views.page.cells import make_table
from transforms.views.page.opened_lake import Source
from transforms.views.plots.distributions import Slope, plot_histograms, plot_reward_length_maps
from transforms.views.plots.figures import render_svg
from transforms.views.plots.health import TITLES, plot_health
from transforms.views.plots.progress import MOST_LINES

HEALTH_TITLES = {
    **TITLES,
    "reward_length_slope": "reward per character",
    "other_ranker": "other ranker",
}


def show_rewards(source: Source) -> Section:
    """Show the distributions of rewards and margins in each iteration."""
    blocks: list[Block] = []
    counts = source.report("reward_histogram")
    if counts.height:
        rankers = ", ".join(sorted(set(counts["ranker"].drop_nulls())))
        blocks.append(
            Figure(
                "Rewards of all sampled responses (n per prompt), one panel per experiment "
                "(one_shot is the baseline that samples every prompt once), one outline per "
                f"iteration. The unit is that of the experiment's ranker ({rankers}).",
                render_svg(
                    plot_histograms(counts, "reward", "responses", "reward"),
                    f"{source.name}-rewards",
                ),
            )
        )
    margins = source.report("margin_histogram")
    if margins.height:
        blocks.append(
            Figure(
                "Margins of the DPO pairs: penalised reward of the chosen response minus that of "
                "the rejected one.",
                render_svg(
                    plot_histograms(margins, "margin", "pairs", "margin"),
                    f"{source.name}-margins",
                ),
            )
        )
    return Section(
        "rewards",
        "Rewards and margins",
        "Does the reward of the responses that the loop trains on increase? Do the best and the "
        "worst response of a prompt still differ?",
        blocks,
        absent="No response has been scored.",
    )


def show_length(source: Source) -> Section:
    """Show rewards against lengths."""
    blocks: list[Block] = []
    rows = source.report("response_lengths")
    if rows.height:
        blocks.append(
            make_table(
                rows.drop("correlated_prompts"),
                "Sampled responses and the pairs made from them, by experiment and iteration. The "
                "correlation is the mean over prompts of Pearson's r of reward and characters. "
                "“Longer chosen” is the share of pairs whose chosen response is the longer one. ± "
                "is one standard error, clustered by prompt.",
                titles={
                    "truncated_share": "cut at the limit",
                    "reward_length_correlation": "r of reward and length",
                    "chosen_minus_rejected_chars": "chosen minus rejected",
                    "longer_chosen_share": "longer chosen",
                    "response_chars": "response length",
                    "response_tokens": "response length",
                },
            )
        )
    cells = source.report("reward_length_map")
    if cells.height:
        blocks.append(
            Figure(
                "Reward against length, each minus the mean of its prompt's responses: the reward "
                "that a response gains by being longer than the others of its prompt. Yellow cells "
                "contain many responses, blue cells few. The red line is the slope within prompts "
                "(reward per character, ± one standard error); a length penalty of this size "
                "removes the slope.",
                render_svg(
                    plot_reward_length_maps(cells, _read_slopes(source)), f"{source.name}-length"
                ),
            )
        )
    return Section(
        "length",
        "Reward and length",
        "Do longer responses get higher rewards? Do responses grow longer?",
        blocks,
        absent="No response has been scored.",
    )


def _read_slopes(source: Source) -> dict[tuple[str, int], Slope]:
    rows = source.report("length_bias").filter(
        pl.col("unit") == "chars", pl.col("calibrated_penalty").is_not_null()
    )
    return {
        (row["experiment"], row["iteration"]): (
            row["calibrated_penalty"],
            row["calibrated_penalty_se"],
        )
        for row in rows.unique(["experiment", "iteration"], keep="none").iter_rows(named=True)
    }


def show_health(source: Source) -> Section:
    """Show the health of responses and pairs, measured before each iteration's training."""
    rows = source.report("iteration_health")
    blocks: list[Block] = []
    if rows.height:
        experiments = sorted(set(rows["experiment"]))
        for start in range(0, len(experiments), MOST_LINES):
            shown = experiments[start : start + MOST_LINES]
            plotted = rows.filter(pl.col("experiment").is_in(shown))
            blocks.append(
                Figure(
                    "Measured on an iteration's responses and pairs before its policy was trained. "
                    "Shares are of responses, of pairs (longer chosen, agreement) or of a "
                    "response's runs of four words. Bars are one standard error, clustered by "
                    f"prompt. Experiments: {', '.join(shown)}.",
                    render_svg(plot_health(plotted, {}), f"{source.name}-health-{start}"),
                )
            )
        blocks.append(
            make_table(
                rows.select(
                    "experiment",
                    "iteration",
                    *(name for name in rows.columns if name.removesuffix("_se") in HEALTH_TITLES),
                ),
                "The same values. ± is one standard error, clustered by prompt. Duplicates are "
                "equal to a response to another prompt. Refusals decline and do not answer "
                "(English). Agreement with another ranker is measured on pairs of a prompt's "
                "responses that both rankers scored.",
                titles=HEALTH_TITLES,
                units={"chosen_to_rejected_chars": "", "length_growth": ""},
            )
        )
    return Section(
        "health",
        "Reward hacking: repetition, duplicates, refusals",
        "Signs that a policy exploits its ranker instead of giving better answers.",
        blocks,
        absent="No iteration's health was measured.",
    )
