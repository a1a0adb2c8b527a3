"""Benchmarks: their results by experiment and for the shared models, and the paper's tables.

Lives here: which models are measured on which benchmark, the reports of Tables 4 to 6 and Figure 8.
Not here: measuring one model (`assets.evaluation.benchmark_runs`), the reports (`sql/reports`), the
figure (`transforms.views.plots.benchmarks`). Paper: section 4.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from assets.data.sources import origin_settings
from assets.declare import declare
from assets.evaluation.benchmark_runs import measure
from assets.loop.judges import judge_settings
from assets.materialize import Made, Step, Warnings
from assets.metadata import table_metadata, table_preview
from assets.reports import report_asset
from assets.study import Study
from training.settings.benchmarks import AnyBenchmark, JudgedSettings
from transforms.benchmarks import results
from transforms.benchmarks.answer_table import MeasuredModel
from transforms.lake.asset_names import BASELINES, iteration_asset
from transforms.lake.lake import Lake
from transforms.lake.query import select_experiment
from transforms.lake.records import checkpoints
from transforms.lake.schemas import TABLES
from transforms.public_sets.registry import build_benchmark_columns
from transforms.views.plots.benchmarks import plot_benchmarks
from transforms.views.plots.figures import render_png

GROUPS = ("baseline_benchmarks", "benchmarks")
"""First part of an asset's name: of the shared models, of an experiment's."""

CHECKS = ("benchmark_answers_are_whole", "benchmarked_the_expected_policy")
JUDGED_CHECKS = ("benchmark_verdicts_are_usable",)

FIGURE = "benchmark_comparison"
"""Report that is a figure, of every benchmark that another report has a column of."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of every benchmark that the recipe names and has not switched off."""
    return [
        asset
        for name, settings in study.recipe.benchmarks.items()
        if settings.enabled
        for asset in _build_benchmark(study, name, settings)
    ]


def _build_benchmark(study: Study, name: str, settings: AnyBenchmark) -> list[dg.AssetsDefinition]:
    shared = tuple(model for model in BASELINES if model in settings.models)
    own = set(settings.models) - set(shared)
    iterates = tuple(iteration_asset(t, "policy") for t in study.iterations)
    of_shared, of_own = (f"{group}/{name}" for group in GROUPS)
    assets = []
    if shared:
        models = dict.fromkeys(shared, 0)
        assets.append(_asset(study, name, settings, of_shared, shared, models))
    if own:
        models = {policy: t for t, policy in enumerate(iterates, start=1)}
        deps = ("selected_policy", *(iterates if "iterates" in own else ()))
        assets.append(_asset(study, name, settings, of_own, deps, models))
    return assets


def asset_names(name: str, settings: AnyBenchmark) -> list[str]:
    """Return the names of the assets of a benchmark."""
    own = bool(set(settings.models) - set(BASELINES))
    measured = (bool(set(settings.models) & set(BASELINES)), own)
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
    which = "each experiment's iterate" if partitioned else ", ".join(deps)

    @declare(
        study,
        key,
        group="benchmarks",
        table=TABLES[results.TABLE],
        deps=deps,
        settings=lambda _: benchmark_settings(study, settings),
        partitioned=partitioned,
        checks=(*CHECKS, *(JUDGED_CHECKS if isinstance(settings, JudgedSettings) else ())),
        warnings=Warnings(
            results.WARNINGS, lambda step: results.find_warnings(step.lake, step.experiment, name)
        ),
        scope=lambda step: {"experiment": step.experiment, "benchmark": name},
        accelerator=True,
        kinds=("deltalake", settings.engine),
        description=f"The benchmark is {settings.benchmark}; the models are {which}. "
        "Answers are committed as they come; a restart asks for what is missing.",
    )
    def benchmark(step: Step) -> Made:
        from training.benchmarks.benchmark import open_benchmark

        opened = open_benchmark(
            settings,
            step.loop.sampling,
            study.recipe.judge,
            seed=study.seed("evaluation"),
            dtype=study.recipe.model.dtype,
        )
        rows = []
        for model in _models(step, settings) if partitioned else deps:
            policy = checkpoints.find_latest(step.lake, model, step.experiment)
            measured = MeasuredModel(
                step.experiment, iterations[model], model, policy.checkpoint_id
            )
            rows.append(measure(step.lake, measured, policy, name, opened, step.log.info))
        results.drop_replaced(step.lake, step.experiment, name)
        table = pl.concat(rows)
        version = step.lake.version(results.TABLE)
        figures = table.filter(subset=results.ALL).drop("benchmark_id", "experiment", "iteration")
        return Made(
            f"{results.TABLE}@{version}",
            {**table_metadata(table, version), "figures": table_preview(figures, 40)},
        )

    return benchmark


def _models(step: Step, settings: AnyBenchmark) -> list[str]:
    """Return the iterates to measure: all of them, or the selected one."""
    if "iterates" in settings.models:
        return [iteration_asset(t, "policy") for t in range(1, step.loop.iterations + 1)]
    selected = step.lake.read("selected_policies", experiment=step.experiment)
    return [selected.item(0, "model")]


def benchmark_settings(study: Study, settings: AnyBenchmark) -> dict[str, Any]:
    """Return what a benchmark's figures depend on besides the model."""
    judged = isinstance(settings, JudgedSettings)
    return {
        **settings.dump_decisive(),
        **({"judge": judge_settings(study.recipe.judge)} if judged else {}),
        "data": {part: origin_settings(origin) for part, origin in settings.data.items()},
        "models": list(settings.models),
        **study.model_settings,
    }


def build_reports(
    study: Study, measured: Sequence[dg.AssetsDefinition]
) -> list[dg.AssetsDefinition]:
    """Build the reports that the recipe has a benchmark for; its name in the recipe counts.

    Args:
        study: the study.
        measured: the assets of `build`.
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
            plot = _draw if report == FIGURE else None
            reports.append(
                report_asset(
                    study,
                    report,
                    deps,
                    partitioned=partitioned,
                    plot=plot,
                    select=select_experiment,
                )
            )
    return reports


def _draw(_: Lake, rows: pl.DataFrame) -> bytes:
    return render_png(plot_benchmarks(rows))
