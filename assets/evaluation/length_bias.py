"""The length study: the correlation between length and reward of π₀'s responses.

Its assets are sampled responses, their scores, and the table of correlations. They exist if the
recipe keeps prompts for it (`splits.length_study_fraction`). Not here: length bias along the loop
(`sql/reports/length_bias.sql` has every slice). Paper: section 2.3 and Figure 5.
"""

import dagster as dg

from assets.declare import declare
from assets.loop.chain import Chain
from assets.loop.tables import build_responses
from assets.materialize import Made, Step
from assets.metadata import picture, table_metadata, table_preview
from assets.study import Study
from transforms.lake.schemas import TABLES
from transforms.measures.length_bias import correlate
from transforms.views.query import connect_frames, report

TITLE = "Reward and length of n responses of π₀ to the prompts of the length study"


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of the length study; none if the recipe has no prompts for it."""
    if not study.recipe.splits.length_study_fraction:
        return []

    # its rows in `generations` and `scores` have experiment `length_study` and iteration 0
    initial = study.initial_policy
    chain = Chain("length_study", 0, ("length_study",), initial, initial, partitioned=False)

    @declare(
        study,
        "reward_length_correlation",
        group=chain.group,
        table=TABLES["reward_length_correlation"],
        deps=(chain.asset("generations"), chain.asset("scores"), "prompts", "prompt_splits"),
        kinds=("deltalake", "polars"),
    )
    def reward_length_correlation(step: Step) -> Made:
        """The rows are responses of the length study."""
        from transforms.views.plots.length_bias import render_length_bias

        lake, slice_ = step.lake, chain.slice(step)
        tables = {
            "generations": lake.read("generations", **slice_),
            "scores": lake.read("scores", **slice_),
            "prompt_splits": lake.read("prompt_splits"),
        }
        rows = correlate(**tables)
        version = lake.overwrite(step.asset, rows, **slice_)
        with connect_frames(tables) as connection:
            summary = report(connection, "length_bias").drop("experiment", "iteration", "ranker_id")
        return Made(
            f"{step.asset}@{version}",
            {
                **table_metadata(rows, version),
                "summary": table_preview(summary),
                "heat_map": picture(render_length_bias(rows, TITLE), "heat map"),
            },
        )

    return [*build_responses(study, chain), reward_length_correlation]
