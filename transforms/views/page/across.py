"""What several lakes have in common: seeds of one recipe, averaged with the error between seeds.

Not here: the average (`transforms.measures.seeds`), what is averaged
(`transforms.views.page.results`).
"""

from collections.abc import Sequence

from transforms.measures.seeds import average_over_seeds
from transforms.views.page.blocks import Block, Figure, Section, Text
from transforms.views.page.cells import table
from transforms.views.page.opened_lake import Source
from transforms.views.page.results import OUTCOME_TITLES
from transforms.views.plots.figures import render_svg
from transforms.views.plots.outcomes import plot_outcomes


def across_lakes(sources: Sequence[Source]) -> Section:
    """Average what the selected policies reach, where the lakes are seeds of one recipe."""
    reports = [
        source.report("experiment_outcomes").filter(decoding="sampled").drop("decoding")
        for source in sources
    ]
    blocks: Sequence[Block] = ()
    if not _are_seeds(sources):
        blocks = [
            Text(
                "These lakes are not averaged: seeds of one recipe would each have a fine-tuned "
                "policy of its own."
            )
        ]
    elif any(rows.height for rows in reports):
        averaged = average_over_seeds(reports)
        shown = averaged.drop("^prompts.*$")
        blocks = [
            table(
                shown,
                f"The policy that each experiment selected, and the baselines, mean over "
                f"{len(sources)} lakes; sampled responses to the evaluation prompts. ± is one "
                "standard error between lakes. Differences are taken within each lake first.",
                titles=OUTCOME_TITLES,
            ),
            Figure(
                "The same by lake: a dot per lake, a diamond the mean, a bar one standard error "
                "between lakes.",
                render_svg(plot_outcomes(averaged, reports), "across"),
            ),
        ]
    return Section(
        "outcomes",
        "Over the seeds",
        "Other seeds mean other initial weights, other data and other samples: the error between "
        "them says how far a figure moves when everything is done again.",
        blocks,
        absent="No policy has been selected in these lakes.",
    )


def _are_seeds(sources: Sequence[Source]) -> bool:
    """Tell whether every lake has an SFT policy that no other has."""
    policies = [
        source.table("checkpoints", asset="sft_policy")
        .sort("created_at")["checkpoint_id"]
        .to_list()
        for source in sources
    ]
    return all(policies) and len({ids[-1] for ids in policies}) == len(sources)
