"""RewardBench and similar sets: accuracy of rankers on public labelled pairs (Table 2).

One asset per ranker of the recipe contains its results, and a report compares them. Not here: the
statistics (`transforms.benchmarks.reward_bench.results`), the sets
(`transforms.public_sets`).
"""

from typing import Any

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.registry import find_ranker
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.reports import MOST_ROWS, build_report
from assets.study import Study
from transforms.benchmarks.reward_bench.pairs import read_bench_set
from transforms.benchmarks.reward_bench.results import measure_bench_set
from transforms.lake.schemas import TABLES
from transforms.public_sets.registry import LABELLED_PAIRS
from transforms.sources.files.content import describe_origin
from transforms.sources.intake.ledger import write_dropped_examples

TABLE = "reward_bench_results"
REPORT, TABLE_2 = "labelled_pairs", "reward_bench"
"""Reports of all sets, and of RewardBench with the paper's rows."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the results of each ranker and their reports; none without `reward_bench`.

    A ranker that needs a reference of the prompt has no results.
    """
    if not study.recipe.reward_bench:
        return []
    all_rankers = [
        find_ranker(study, study.recipe.loop, name) for name in study.recipe.resolve_rankers()
    ]
    rankers = [ranker for ranker in all_rankers if ranker.ranks_pairs]
    return [
        *(_build_results(study, ranker) for ranker in rankers),
        *(
            build_report(study, name, [_key(ranker) for ranker in rankers])
            for name in (REPORT, *({TABLE_2} & {*study.recipe.reward_bench}))
        ),
    ]


def _key(ranker: Ranker) -> str:
    return f"{TABLE_2}/{ranker.name}"


def _build_results(study: Study, ranker: Ranker) -> dg.AssetsDefinition:
    @declare(
        study,
        _key(ranker),
        group="reward",
        table=TABLES[TABLE],
        deps=ranker.assets,
        settings=lambda _: {
            **_sets(study),
            **ranker.pair_settings(),
            **ranker.engine_settings(study.recipe.loop),
        },
        checks=ranker.checks,
        accelerator=True,
        kinds=("deltalake", ranker.engine),
        description=f"Accuracy of {ranker.name}, and of length alone on the same pairs. "
        f"{ranker.unranked_pairs} are left out of the accuracy, counted, and listed in "
        "`dropped_rows`.",
    )
    def results(step: Step) -> Made:
        return _measure(step, ranker)

    return results


def _sets(study: Study) -> dict[str, Any]:
    origins = study.recipe.reward_bench.items()
    return {"reward_bench": {name: describe_origin(origin) for name, origin in origins}}


def _measure(step: Step, ranker: Ranker) -> Made:
    """Measure a ranker on every set of the recipe's `reward_bench`."""
    model = {
        "model": ranker.name,
        "model_id": ranker.ranker_id(step),
        "kind": ranker.kind,
        "mixture": ranker.mixture,
    }
    frames = []
    for name, origin in step.study.recipe.reward_bench.items():
        pairs = read_bench_set(name, origin)
        rewards, without = ranker.pair_rewards(step, pairs)
        step.log.info(f"{name}: {pairs.height} pairs, {without.height} without a reward")
        write_dropped_examples(
            step.lake, without, asset=f"{step.asset}/{name}", experiment=step.experiment
        )
        labelled = LABELLED_PAIRS[name]
        frames.append(
            measure_bench_set(
                pairs, rewards, labelled.sections, labelled.weights, bench=name, **model
            )
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
