"""RewardBench and its relatives: the rankers on labelled pairs that they never saw (Table 2).

Lives here: the results of every model that the recipe trains to rank, and the report over them. Not
here: statistics (`transforms.reward_bench.results`), the sets (`transforms.reward_bench.sets`).
"""

import dagster as dg
import polars as pl

from assets.materialize import Made, Step, declare
from assets.metadata import table_metadata, table_preview
from assets.rankers import RankerSettings, pair_rewards
from assets.reports import MOST_ROWS
from assets.sources import origin_settings
from assets.study import Study
from training.settings import PreferenceModelSettings
from transforms.identity import digest
from transforms.reward_bench.pairs import read_bench_set
from transforms.reward_bench.results import bench_results
from transforms.reward_bench.sets import BENCH_SETS
from transforms.tables import checkpoints, training_metrics
from transforms.tables.query import connect, describe, report

TABLE = "reward_bench_results"
REPORT = "reward_bench"


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the results of each model and Table 2; none where the recipe names no bench set."""
    if not study.recipe.reward_bench:
        return []
    models = study.recipe.trained_rankers()
    return [
        *(_results(study, model, settings) for model, settings in models.items()),
        _report(study, tuple(_key(model) for model in models)),
    ]


def _key(model: str) -> str:
    return f"{REPORT}/{model}"


def _results(study: Study, model: str, ranker: RankerSettings) -> dg.AssetsDefinition:
    origins = study.recipe.reward_bench
    compares = isinstance(ranker, PreferenceModelSettings)

    @declare(
        study,
        _key(model),
        group="reward",
        deps=(model,),
        settings=lambda _: {
            "reward_bench": {name: origin_settings(origin) for name, origin in origins.items()},
            "max_tokens": ranker.max_tokens,
            "mixture": ranker.mixture,
            "dtype": study.recipe.model.dtype,
        },
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description=f"One row per bench set, weights, section or subset: the accuracy of {model}, "
        "and that of length alone on the same pairs. Pairs longer than the model was trained to "
        "read are in no figure: they are counted, and named in `dropped_rows`.",
    )
    def results(step: Step) -> Made:
        checkpoint = checkpoints.latest(step.lake, model, step.experiment)
        frames = []
        for name, origin in origins.items():
            pairs = read_bench_set(name, origin)
            rewards, too_long = pair_rewards(study, step, checkpoint.path, pairs, ranker)
            step.log.info(f"{name}: {pairs.height} pairs, {too_long.height} too long to be read")
            training_metrics.record_dropped(
                step.lake, too_long, asset=f"{step.asset}/{name}", experiment=step.experiment
            )
            rows = bench_results(
                pairs,
                rewards,
                BENCH_SETS[name].sections,
                BENCH_SETS[name].weights,
                bench=name,
                model=model,
                model_id=checkpoint.checkpoint_id,
                kind="preference_model" if compares else "reward_model",
                mixture=ranker.mixture,
            )
            frames.append(rows)
        rows = pl.concat(frames)
        version = step.lake.overwrite(TABLE, rows, model=model)
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

    return results


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
