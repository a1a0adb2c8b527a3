"""Reports: one asset a SQL file that people look at on the page, with its picture if it has one."""

from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from assets.materialize import Made, Step, declare
from assets.metadata import picture, table_preview
from assets.study import Study
from transforms import plots
from transforms.identity import digest
from transforms.lake import Lake
from transforms.query import connect, describe, report

Plot = Callable[[Lake], bytes]


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the report assets."""
    last = study.recipe.loop.iterations
    pairs = [f"iteration_{t}/dpo_pairs" for t in range(1, last + 1)]
    return [
        *_report(study, "preference_statistics", ("preference_pairs", "dropped_rows")),
        *_report(study, "length_statistics", pairs, partitioned=True),
        *_report(
            study,
            "iteration_progress",
            ("evaluation", "selected_policy"),
            partitioned=True,
            plot=lambda lake: plots.iteration_progress(lake.read("evaluation_results")),
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
        metadata = {"dagster/row_count": rows.height, "report": table_preview(rows, 100)}
        if plot:
            metadata["plot"] = picture(plot(step.lake), name)
        return Made(f"{name}@{digest(rows.write_csv())}", metadata)

    yield asset
