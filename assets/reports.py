"""Report assets: those of `sql/reports` that have a page in the Dagster UI, some with a figure."""

from collections.abc import Callable, Sequence

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import picture, table_preview
from assets.study import Study
from transforms.identity import digest
from transforms.lake.asset_names import iteration_asset
from transforms.lake.lake import Lake
from transforms.views.empty_reports import explain_empty, read_condition
from transforms.views.query import connect, report, run_report, select_experiment
from transforms.views.statements import find_names, read_description

Plot = Callable[[Lake, pl.DataFrame], bytes]
"""Plots a report from its rows, or from tables of the lake, as PNG bytes."""

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
            build_report(study, name, deps, plot=PLOTS[name])
            for name, deps in of_pairs.items()
            if study.recipe.has_pairs
        ),
        build_report(study, "response_lengths", pairs, partitioned=True),
        build_report(
            study,
            "iteration_progress",
            ("evaluation", "selected_policy"),
            partitioned=True,
            plot=PLOTS["iteration_progress"],
        ),
        build_report(
            study,
            "reward_by_kl",
            ("evaluation",),
            partitioned=True,
            plot=PLOTS["reward_by_kl"],
            select=select_experiment,
        ),
    ]


def build_report(
    study: Study,
    name: str,
    deps: Sequence[str],
    *,
    partitioned: bool = False,
    plot: Plot | None = None,
    select: Select | None = None,
) -> dg.AssetsDefinition:
    """Build the asset of one report.

    Args:
        study: the study.
        name: a file of `sql/reports`.
        deps: assets that it reads.
        partitioned: whether each experiment has its own rows.
        plot: plots its rows, if there are any.
        select: selects the rows of an experiment; by default, for a partitioned report, those with
            its name in the column `experiment`.
    """

    @declare(
        study,
        name,
        group="reports",
        deps=deps,
        partitioned=partitioned,
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
        metadata = {"dagster/row_count": rows.height, "report": table_preview(rows, MOST_ROWS)}
        if rows.is_empty():
            other = f"{name} has no rows of experiment {step.experiment}. {read_condition(name)}"
            metadata["why_empty"] = reason or other
        if plot and rows.height:
            metadata["plot"] = picture(plot(step.lake, rows), name)
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


PLOTS: dict[str, Plot] = {
    "preference_statistics": _plot_sources,
    "length_statistics": _plot_lengths,
    "iteration_progress": _plot_progress,
    "reward_by_kl": _plot_reward_by_kl,
}
"""Plots of the reports that have a figure, by name."""
