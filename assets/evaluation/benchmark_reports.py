"""Tables 4, 5 and 6 of the paper and its Figure 8, with the policies of an experiment above.

Lives here: which benchmarks a table is made of, and its asset. Not here: measuring
(`assets.evaluation.benchmarks`), the tables (`sql/reports`), the figure
(`transforms.views.plots.benchmarks`). A benchmark counts by its name in the recipe.
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.reports import report_asset
from assets.study import Study
from transforms.lake.lake import Lake
from transforms.lake.query import of_experiment
from transforms.views.plots.benchmarks import benchmark_bars
from transforms.views.plots.figures import png

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
            plot = _draw if table == FIGURE else None
            tables.append(
                report_asset(
                    study, table, deps, partitioned=partitioned, plot=plot, select=of_experiment
                )
            )
    return tables


def _draw(_: Lake, rows: pl.DataFrame) -> bytes:
    return png(benchmark_bars(rows))
