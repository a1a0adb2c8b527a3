"""Reports: one asset a SQL file that people look at on the page, with its picture if it has one."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg
import polars as pl

from assets.materialize import declare
from assets.metadata import picture, table_preview
from assets.steps import Made, Step
from assets.study import Study
from transforms.identity import digest
from transforms.plots import preferences as preference_plots
from transforms.plots import training as plots
from transforms.tables.lake import Lake
from transforms.tables.query import connect, describe, report

Plot = Callable[[Lake, pl.DataFrame], bytes]
"""Draws a report from its rows, or from the lake's."""

MOST_ROWS = 200
"""Rows of a report that its page shows."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the report assets."""
    last = study.recipe.loop.iterations
    pairs = [f"iteration_{t}/dpo_pairs" for t in range(1, last + 1)]
    return [
        *_report(
            study,
            "preference_statistics",
            ("preference_pairs", "dropped_rows", "preference_tokens"),
            plot=_draw_sources,
        ),
        *_report(
            study,
            "length_statistics",
            ("preference_pairs", "preference_tokens"),
            plot=lambda _, rows: preference_plots.length_distributions(rows),
        ),
        *_report(study, "response_lengths", pairs, partitioned=True),
        *_report(
            study,
            "iteration_progress",
            ("evaluation", "selected_policy"),
            partitioned=True,
            plot=lambda lake, _: plots.iteration_progress(lake.read("evaluation_results")),
        ),
    ]


def _report(
    study: Study,
    name: str,
    deps: Sequence[str],
    *,
    partitioned: bool = False,
    plot: Plot | None = None,
) -> Iterator[dg.AssetsDefinition]:
    @declare(
        study,
        name,
        group="reports",
        deps=deps,
        partitioned=partitioned,
        kinds=("duckdb",),
        description=describe("reports", name),
    )
    def asset(step: Step) -> Made:
        with connect(step.lake) as connection:
            rows = report(connection, name)
        if partitioned:
            rows = rows.filter(experiment=step.experiment)
        metadata = {"dagster/row_count": rows.height, "report": table_preview(rows, MOST_ROWS)}
        if plot:
            metadata["plot"] = picture(plot(step.lake, rows), name)
        return Made(f"{name}@{digest(rows.write_csv())}", metadata)

    yield asset


def _draw_sources(lake: Lake, statistics: pl.DataFrame) -> bytes:
    with connect(lake) as connection:
        reasons = report(connection, "dropped_by_reason")
    return preference_plots.kept_and_dropped(statistics, reasons)
