"""Tables 4, 5 and 6 of the paper and its Figure 8, with the policies of an experiment above.

Lives here: which benchmarks a table is made of, and its asset. Not here: measuring
(`assets.evaluation.benchmarks`), the tables (`sql/reports`), the figure
(`transforms.plots.benchmarks`). A benchmark counts by its name in the recipe.
"""

from collections.abc import Sequence

import dagster as dg

from assets.materialize import declare
from assets.metadata import picture, table_preview
from assets.reports import MOST_ROWS
from assets.steps import Made, Step
from assets.study import Study
from transforms.identity import digest
from transforms.plots.benchmarks import benchmark_bars
from transforms.plots.figures import png
from transforms.tables.query import connect, describe, of_experiment, report

CHAT = ("alpaca_eval", "mt_bench", "arena_hard")
ACADEMIC = ("gsm8k", "mmlu", "humaneval", "truthfulqa", "arc_challenge", "mbpp")

TABLES = {
    "chat_benchmarks": CHAT,
    "academic_benchmarks": ACADEMIC,
    "ablations": CHAT + ACADEMIC,
    "benchmark_comparison": CHAT + ACADEMIC,
}
"""Reports and the benchmarks, one of which has to be there."""

FIGURE = "benchmark_comparison"
"""The one that is a figure."""


def build(study: Study, measured: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """Build the tables that the recipe has a benchmark for.

    Args:
        study: the study.
        measured: what `assets.evaluation.benchmarks` has built.
    """
    names = {asset.key.to_user_string(): asset for asset in measured}
    tables = []
    for table, benchmarks in TABLES.items():
        deps = [name for name in names if name.rpartition("/")[2] in benchmarks]
        if deps:
            partitioned = any(names[name].partitions_def is not None for name in deps)
            tables.append(_table(study, table, deps, partitioned))
    return tables


def _table(study: Study, name: str, deps: Sequence[str], partitioned: bool) -> dg.AssetsDefinition:
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
            rows = of_experiment(report(connection, name), step.experiment)
        metadata = {"dagster/row_count": rows.height, "report": table_preview(rows, MOST_ROWS)}
        if name == FIGURE and rows.height:
            metadata["plot"] = picture(png(benchmark_bars(rows)), name)
        return Made(f"{name}@{digest(rows.write_csv())}", metadata)

    return asset
