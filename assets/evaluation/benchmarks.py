"""Benchmark assets: results of the baselines and of each experiment, and the paper's tables.

They select the models of each benchmark, and the reports of Tables 4 to 6 and Figure 8. Not here:
the measurement of one model (`assets.evaluation.benchmark_runs`), the reports (`sql/reports`), the
figure (`transforms.views.plots.benchmarks`). Paper: section 4.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.evaluation.benchmark_runs import lock_results, measure, open_study_benchmark
from assets.loop.judges import judge_model_settings
from assets.materialize import Made, Step, Warnings
from assets.metadata import table_metadata, table_preview
from assets.reports import Figure, build_report
from assets.study import Study
from training.settings.benchmarks import AnyBenchmark, JudgedSettings
from transforms.benchmarks import results
from transforms.benchmarks.answer_table import MeasuredModel
from transforms.lake.asset_names import BASELINES
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.schemas import TABLES
from transforms.public_sets.registry import build_benchmark_columns
from transforms.sources.files.content import describe_origin
from transforms.views.plots.thumbnails import draw_benchmarks
from transforms.views.query import select_experiment

GROUPS = ("baseline_benchmarks", "benchmarks")
"""First part of an asset's name: for the baselines, and for the policies of an experiment."""

CHECKS = ("benchmark_answers_are_whole", "benchmarked_the_expected_policy")
JUDGED_CHECKS = ("benchmark_verdicts_are_usable",)

FIGURE = "benchmark_comparison"
"""Report with a figure of all benchmarks that are a column of another report."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of all enabled benchmarks of the recipe."""
    return [
        asset
        for name, settings in study.recipe.benchmarks.items()
        if settings.enabled
        for asset in _build_benchmark(study, name, settings)
    ]


def _build_benchmark(study: Study, name: str, settings: AnyBenchmark) -> list[dg.AssetsDefinition]:
    models = study.recipe.list_measured(settings)
    shared = tuple(model for model in models if model in BASELINES)
    own = set(models) - set(shared)
    of_shared, of_own = (f"{group}/{name}" for group in GROUPS)
    assets = []
    if shared:
        iterations = dict.fromkeys(shared, 0)
        assets.append(_asset(study, name, settings, of_shared, shared, iterations))
    if own:
        deps = ("selected_policy", *(study.policies if "iterates" in own else ()))
        assets.append(_asset(study, name, settings, of_own, deps, study.policies))
    return assets


def list_asset_names(study: Study, name: str, settings: AnyBenchmark) -> list[str]:
    """Return the names of the assets of a benchmark."""
    models = set(study.recipe.list_measured(settings))
    measured = (bool(models & set(BASELINES)), bool(models - set(BASELINES)))
    return [
        f"{group}/{name}"
        for group, is_measured in zip(GROUPS, measured, strict=True)
        if settings.enabled and is_measured
    ]


def _asset(
    study: Study,
    name: str,
    settings: AnyBenchmark,
    key: str,
    deps: tuple[str, ...],
    iterations: Mapping[str, int],
) -> dg.AssetsDefinition:
    partitioned = "selected_policy" in deps
    which = "policies of each experiment" if partitioned else ", ".join(deps)

    @declare(
        study,
        key,
        group="benchmarks",
        table=TABLES[results.TABLE],
        deps=deps,
        settings=lambda _: benchmark_settings(study, settings),
        partitioned=partitioned,
        checks=(*CHECKS, *(JUDGED_CHECKS if isinstance(settings, JudgedSettings) else ())),
        warnings=[
            Warnings(
                results.WARNINGS,
                lambda step: results.find_warnings(step.lake, step.experiment, name),
            )
        ],
        scope=lambda step: {"experiment": step.experiment, "benchmark": name},
        accelerator=True,
        kinds=("deltalake", settings.engine),
        description=f"The benchmark is {settings.benchmark}; the models are {which}. "
        "Answers are committed in chunks; a restart samples only the missing ones.",
    )
    def benchmark(step: Step) -> Made:
        opened = open_study_benchmark(step, settings)
        rows = []
        for model, policy in _find_models(step, settings, deps).items():
            measured = MeasuredModel(
                step.experiment, iterations[model], model, policy.checkpoint_id
            )
            log, commits = step.log.info, step.commits
            rows.append(measure(step.lake, measured, policy, name, opened, log, commits))
        with lock_results(step.lake, step.experiment, name, step.log.info):
            results.drop_replaced(step.lake, step.experiment, name)
        table = pl.concat(rows)
        version = step.lake.version(results.TABLE)
        figures = table.filter(subset=results.ALL).drop("benchmark_id", "experiment", "iteration")
        return Made(
            f"{results.TABLE}@{version}",
            {**table_metadata(table, version), "figures": table_preview(figures, 40)},
        )

    return benchmark


def _find_models(step: Step, settings: AnyBenchmark, deps: Sequence[str]) -> dict[str, Checkpoint]:
    """Find the models to measure: baselines, policies of all iterations, or the selected one."""
    if "selected_policy" not in deps:
        return {model: step.model(model) for model in deps}
    if "iterates" in settings.models:
        return {model: step.model(model) for model in step.study.policies}
    [row] = step.lake.read("selected_policies", experiment=step.experiment).to_dicts()
    selected = checkpoints.find_recorded(step.lake, row["model"], step.experiment, row["policy_id"])
    return {row["model"]: selected}


def benchmark_settings(study: Study, settings: AnyBenchmark) -> dict[str, Any]:
    """Return the settings that a benchmark's results depend on, besides the model."""
    judged = isinstance(settings, JudgedSettings)
    return {
        **settings.dump_decisive(),
        **({"judge": judge_model_settings(study.judge)} if judged else {}),
        "data": {part: describe_origin(origin) for part, origin in settings.data.items()},
        "models": study.recipe.list_measured(settings),
        **study.model_settings,
    }


def build_reports(
    study: Study, measured: Sequence[dg.AssetsDefinition]
) -> list[dg.AssetsDefinition]:
    """Build the reports that have a column for a benchmark of the recipe, by its name there.

    Args:
        study: the study.
        measured: the assets that `build` returned.
    """
    columns = build_benchmark_columns()
    benchmarks = {
        report: set(rows["benchmark"]) for (report,), rows in columns.group_by("report")
    } | {FIGURE: set(columns["benchmark"])}
    names = {asset.key.to_user_string(): asset for asset in measured}
    reports = []
    for report in sorted(benchmarks):
        deps = [name for name in names if name.rpartition("/")[2] in benchmarks[report]]
        if deps:
            partitioned = any(names[name].partitions_def is not None for name in deps)
            figure = Figure(_plot, draw_benchmarks) if report == FIGURE else None
            reports.append(
                build_report(
                    study,
                    report,
                    deps,
                    partitioned=partitioned,
                    figure=figure,
                    select=select_experiment,
                )
            )
    return reports


def _plot(_: Lake, rows: pl.DataFrame) -> bytes:
    from transforms.views.plots.benchmarks import plot_benchmarks
    from transforms.views.plots.figures import render_png

    return render_png(plot_benchmarks(rows))
