"""RewardBench and its relatives: the rankers on labelled pairs that they never saw (Table 2).

Lives here: the results of every model that the recipe trains to rank and of its judge, and the
report over them. Not here: statistics (`transforms.benchmarks.reward_bench.results`), the sets
(`transforms.public_sets`).
"""

from collections.abc import Callable
from typing import Any

import dagster as dg
import polars as pl

from assets.data.sources import origin_settings
from assets.declare import declare
from assets.loop.judges import judge_id, judge_settings, judged_pairs
from assets.loop.rankers import RankerSettings, pair_rewards
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.reports import MOST_ROWS
from assets.study import Study
from training.settings.stages import PreferenceModelSettings
from transforms.benchmarks.reward_bench.pairs import read_bench_set
from transforms.benchmarks.reward_bench.results import bench_results
from transforms.identity import digest
from transforms.lake.query import connect, describe, report
from transforms.lake.records import checkpoints, training_metrics
from transforms.lake.schemas import TABLES
from transforms.public_sets.registry import PAIR_SETS

TABLE = "reward_bench_results"
REPORT = "reward_bench"


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the results of each model and Table 2; none where the recipe names no bench set."""
    if not study.recipe.reward_bench:
        return []
    models = study.recipe.trained_rankers()
    results = [_model_results(study, *model) for model in models.items()]
    names = [*models]
    if study.recipe.judge:
        results.append(_judge_results(study))
        names.append("judge")
    return [*results, _report(study, tuple(_key(name) for name in names))]


def _key(model: str) -> str:
    return f"{REPORT}/{model}"


def _model_results(study: Study, model: str, ranker: RankerSettings) -> dg.AssetsDefinition:
    compares = isinstance(ranker, PreferenceModelSettings)

    @declare(
        study,
        _key(model),
        group="reward",
        table=TABLES[TABLE],
        deps=(model,),
        settings=lambda _: {
            **_sets(study),
            "max_tokens": ranker.max_tokens,
            "mixture": ranker.mixture,
            "dtype": study.recipe.model.dtype,
        },
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description=f"Accuracy of {model}, and of length alone on the same pairs. Pairs longer "
        "than the model was trained to read are in no figure: they are counted, and listed in "
        "`dropped_rows`.",
    )
    def results(step: Step) -> Made:
        checkpoint = checkpoints.latest(step.lake, model, step.experiment)
        return _measure(
            study,
            step,
            lambda pairs: pair_rewards(study, step, checkpoint.path, pairs, ranker),
            model=model,
            model_id=checkpoint.checkpoint_id,
            kind="preference_model" if compares else "reward_model",
            mixture=ranker.mixture,
        )

    return results


def _judge_results(study: Study) -> dg.AssetsDefinition:
    @declare(
        study,
        _key("judge"),
        group="reward",
        table=TABLES[TABLE],
        settings=lambda _: {
            **_sets(study),
            "judge": judge_settings(study.recipe.judge),
            "dtype": study.recipe.model.dtype,
        },
        checks=("judgments_are_usable",),
        accelerator=True,
        kinds=("deltalake", "vllm"),
        description="Accuracy of the judge (Table 2's rows `Prompting`), every pair in both "
        "orders, and of length alone. Pairs "
        "without a verdict are in no figure: they are counted, and named in `dropped_rows`.",
    )
    def results(step: Step) -> Made:
        return _measure(
            study,
            step,
            lambda pairs: judged_pairs(study, step, pairs),
            model="judge",
            model_id=judge_id(study),
            kind="judge",
            mixture="",
        )

    return results


def _sets(study: Study) -> dict[str, Any]:
    origins = study.recipe.reward_bench.items()
    return {"reward_bench": {name: origin_settings(origin) for name, origin in origins}}


def _measure(
    study: Study,
    step: Step,
    reward: Callable[[pl.DataFrame], tuple[pl.DataFrame, pl.DataFrame]],
    **model: str,
) -> Made:
    """Measure a model on every bench set; `reward` gives rewards of pairs, and those without."""
    frames = []
    for name, origin in study.recipe.reward_bench.items():
        pairs = read_bench_set(name, origin)
        rewards, without = reward(pairs)
        step.log.info(f"{name}: {pairs.height} pairs, {without.height} without a reward")
        training_metrics.record_dropped(
            step.lake, without, asset=f"{step.asset}/{name}", experiment=step.experiment
        )
        labelled = PAIR_SETS[name].labelled_pairs
        frames.append(
            bench_results(pairs, rewards, labelled.sections, labelled.weights, bench=name, **model)
        )
    rows = pl.concat(frames)
    version = step.lake.overwrite(TABLE, rows, model=model["model"])
    sections = rows.filter(level="section").select(
        "bench",
        "name",
        "weights",
        "metric",
        "value",
        "standard_error",
        "pairs",
        "unscored_pairs",
        "missing",
    )
    return Made(
        f"{TABLE}@{version}",
        {**table_metadata(rows, version), "sections": table_preview(sections, MOST_ROWS)},
    )


def _report(study: Study, results: tuple[str, ...]) -> dg.AssetsDefinition:
    @declare(
        study,
        REPORT,
        group="reports",
        deps=results,
        kinds=("duckdb",),
        description=describe("reports", REPORT),
    )
    def table_2(step: Step) -> Made:
        with connect(step.lake) as connection:
            rows = report(connection, REPORT)
        return Made(
            f"{REPORT}@{digest(rows.write_csv())}",
            {"dagster/row_count": rows.height, "report": table_preview(rows, MOST_ROWS)},
        )

    return table_2
