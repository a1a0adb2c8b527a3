"""Section that averages several lakes, the seeds of one recipe, with the error between seeds.

Not here: the average (`transforms.measures.seeds`), the sections of one lake
(`transforms.views.page.sections.results`).
"""

from collections.abc import Sequence

from transforms.measures.seeds import are_different, average_over_seeds, find_seed
from transforms.views.page.blocks import Block, Figure, Section, Text
from transforms.views.page.cells import make_table
from transforms.views.page.opened_lake import Source
from transforms.views.page.sections.results import OUTCOME_TITLES
from transforms.views.plots.figures import render_svg
from transforms.views.plots.outcomes import plot_outcomes

COUNT_TITLES = {
    f"{name}_{side}": f"{title}: seeds clearly {side}"
    for name, title in OUTCOME_TITLES.items()
    for side in ("above", "below")
}


def show_average(sources: Sequence[Source]) -> Section:
    """Show the outcomes averaged over lakes, if they are seeds of one recipe."""
    reports = [
        source.report("experiment_outcomes").filter(decoding="sampled").drop("decoding")
        for source in sources
    ]
    blocks: Sequence[Block] = ()
    if not _are_seeds(sources):
        blocks = [
            Text(
                "These lakes are not averaged: they are not seeds of one recipe, because some of "
                "them have the same seed, or no π₀."
            )
        ]
    elif any(rows.height for rows in reports):
        averaged = average_over_seeds(reports)
        shown = averaged.drop("^prompts.*$")
        blocks = [
            make_table(
                shown,
                f"The policy that each experiment selected, and the baselines, mean over "
                f"{len(sources)} lakes; sampled responses to the evaluation prompts. ± is one "
                "standard error between lakes. Differences are taken within each lake first; a "
                "clear one is more than two of the lake's own standard errors from zero.",
                titles=OUTCOME_TITLES | COUNT_TITLES,
            ),
            Figure(
                "The same values by lake. A dot is a lake, a diamond the mean, a bar one standard "
                "error between lakes.",
                render_svg(plot_outcomes(averaged, reports), "across"),
            ),
        ]
    return Section(
        "outcomes",
        "Average over the seeds",
        "Another seed means other initial weights, other data and other samples. The error between "
        "seeds shows how much a value changes when the whole study is repeated.",
        blocks,
        absent="No policy has been selected in these lakes.",
    )


def _are_seeds(sources: Sequence[Source]) -> bool:
    """Check whether the lakes have different seeds."""
    return are_different([find_seed(source.table("checkpoints")) for source in sources])
