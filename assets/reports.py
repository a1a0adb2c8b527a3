"""Report assets: those of `sql/reports` that have a page in the Dagster UI, some with a figure."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import picture, show, table_preview
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.identity import digest
from transforms.lake.asset_names import iteration_asset
from transforms.lake.lake import Lake
from transforms.views.empty_reports import explain_empty, read_condition
from transforms.views.plots import thumbnails
from transforms.views.query import connect, report, run_report, select_experiment
from transforms.views.statements import find_names, read_description

Plot = Callable[[Lake, pl.DataFrame], bytes]
"""Plots a report from its rows, or from tables of the lake, as PNG bytes."""


class Figure(NamedTuple):
    """The figure of a report."""

    plot: Plot
    draw: Callable[[pl.DataFrame], str] | None = None
    """Draws the report's rows small, as markdown that Dagster shows without a click."""


Select = Callable[[pl.DataFrame, str], pl.DataFrame]
"""Selects the rows of an experiment."""

MOST_ROWS = 200
"""Most rows of a report that its page shows."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of the reports whose data the study has."""
    last = study.recipe.loop.iterations
    pairs = [iteration_asset(t, "dpo_pairs") for t in range(1, last + 1)]
    of_pairs = {
        "preference_statistics": ("preference_pairs", "dropped_rows", "preference_tokens"),
        "length_statistics": ("preference_pairs", "preference_tokens"),
    }
    return [
        *(
            build_report(study, name, deps, figure=FIGURES[name])
            for name, deps in of_pairs.items()
            if study.recipe.has_pairs
        ),
        build_report(
            study,
            "response_lengths",
            pairs,
            partitioned=True,
            applies_to=lambda loop: loop.has_responses,
        ),
        build_report(
            study,
            "iteration_progress",
            ("evaluation", "selected_policy"),
            partitioned=True,
            figure=FIGURES["iteration_progress"],
        ),
        build_report(
            study,
            "reward_by_kl",
            ("evaluation",),
            partitioned=True,
            figure=FIGURES["reward_by_kl"],
            select=select_experiment,
        ),
    ]


def build_report(
    study: Study,
    name: str,
    deps: Sequence[str],
    *,
    partitioned: bool = False,
    figure: Figure | None = None,
    select: Select | None = None,
    applies_to: Callable[[LoopSettings], bool] | None = None,
) -> dg.AssetsDefinition:
    """Build the asset of one report.

    Args:
        study: the study.
        name: a file of `sql/reports`.
        deps: assets that it reads.
        partitioned: whether each experiment has its own rows.
        figure: the figure of its rows, if there are any.
        select: selects the rows of an experiment; by default, for a partitioned report, those with
            its name in the column `experiment`.
        applies_to: returns whether an experiment has the rows, as for `declare`.
    """

    @declare(
        study,
        name,
        group="reports",
        deps=deps,
        partitioned=partitioned,
        applies_to=applies_to,
        kinds=("duckdb",),
        description=read_description("reports", name),
    )
    def asset(step: Step) -> Made:
        with connect(step.lake, names=find_names("reports", [name])) as connection:
            rows = report(connection, name)
            reason = explain_empty(connection, name) if rows.is_empty() else None
        if select:
            rows = select(rows, step.experiment)
        elif partitioned:
            rows = rows.filter(experiment=step.experiment)
        shown = table_preview(rows, MOST_ROWS)
        small = figure.draw(rows) if figure and figure.draw else ""
        metadata = {**show(small, "summary"), "dagster/row_count": rows.height, "report": shown}
        if rows.is_empty():
            other = f"{name} has no rows of experiment {step.experiment}. {read_condition(name)}"
            metadata["why_empty"] = reason or other
        if figure and rows.height:
            metadata["plot"] = picture(figure.plot(step.lake, rows), name)
        return Made(f"{name}@{digest(rows.write_csv())}", metadata)

    return asset


def _plot_sources(lake: Lake, statistics: pl.DataFrame) -> bytes:
    from transforms.views.plots.preferences import render_kept_and_dropped

    return render_kept_and_dropped(statistics, run_report(lake, "dropped_by_reason"))


def _plot_lengths(_: Lake, rows: pl.DataFrame) -> bytes:
    from transforms.views.plots.preferences import render_length_distributions

    return render_length_distributions(rows)


def _plot_progress(lake: Lake, _: pl.DataFrame) -> bytes:
    from transforms.views.plots.progress import render_progress

    return render_progress(lake.read("evaluation_results"))


def _plot_reward_by_kl(_: Lake, rows: pl.DataFrame) -> bytes:
    from transforms.views.plots.reward_by_kl import render_reward_by_kl

    return render_reward_by_kl(rows)


FIGURES: dict[str, Figure] = {
    "preference_statistics": Figure(_plot_sources, thumbnails.draw_kept_pairs),
    "length_statistics": Figure(_plot_lengths, thumbnails.draw_lengths),
    "iteration_progress": Figure(_plot_progress, thumbnails.draw_progress),
    "reward_by_kl": Figure(_plot_reward_by_kl, thumbnails.draw_reward_by_kl),
}
"""Figures of the reports that have one, by name."""
