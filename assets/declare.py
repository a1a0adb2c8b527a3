"""How an asset of the lake is declared: its settings, its inputs, its checks, its partition.

`declare` wraps `dagster.asset`: the body is given a `Step` and returns `Made`. Not here: what a
step does (`assets.materialize`), what any asset does.
Concept: https://docs.dagster.io/guides/build/assets
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.materialize import Made, Step, Watch, make, make_nothing
from assets.metadata import column_schema
from assets.resources import LakeResource
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.locks import writing
from transforms.lake.query import describe
from transforms.lake.records import materializations
from transforms.lake.schemas.columns import SHARED
from transforms.lake.schemas.table import Table

SETTINGS = "settings/"
"""Prefix of the metadata keys that hold an asset's settings, one key an experiment that has it."""

READS = "reads/"
"""Prefix of the metadata keys that name the assets that an experiment reads, of those upstream."""


def asset_key(name: str) -> dg.AssetKey:
    """Asset key of a name such as `iteration_2/generations`."""
    return dg.AssetKey(name.split("/"))


def declare(
    study: Study,
    name: str,
    *,
    group: str,
    table: Table | None = None,
    deps: Sequence[str] = (),
    reads: Callable[[LoopSettings], Sequence[str]] | None = None,
    settings: Callable[[LoopSettings], Mapping[str, Any]] = lambda loop: {},
    partitioned: bool = False,
    drawn_for: Callable[[LoopSettings], bool] | None = None,
    checks: Sequence[str] = (),
    watch: Watch | None = None,
    scope: Callable[["Step"], Mapping[str, str | int]] = lambda step: {},
    accelerator: bool = False,
    kinds: Sequence[str] = (),
    description: str | None = None,
) -> Callable[[Callable[[Step], Made]], dg.AssetsDefinition]:
    """Declare an asset of the lake.

    Args:
        study: the study that it belongs to.
        name: key, parts separated by `/`.
        group: group in the lineage graph.
        table: declaration of the table that it writes; its page begins with the grain and shows
            the columns.
        deps: names of the assets that it reads.
        reads: those of `deps` that an experiment reads, given the loop's settings; all by default.
            A change of the others leaves the experiment as it is.
        settings: the settings that its rows or weights depend on, given the loop's settings.
        partitioned: whether every experiment has its own.
        drawn_for: whether an experiment has the asset at all, given the loop's settings; all by
            default. The partitions of a job are one set, so that the others have one, too: it makes
            nothing and records nothing. `settings` and `reads` are not asked for them.
        checks: files of `sql/checks` whose rows are failures; a failure stops what follows.
        watch: checks that warn, and stop nothing.
        scope: the slice whose failing rows are this asset's; those of others are left out.
        accelerator: whether it takes the one slot of the pool `gpu`.
        kinds: labels in the graph.
        description: text of the asset's page, after the grain; the body's docstring by default.
    """
    experiments = list(study.recipe.experiments) if partitioned else [SHARED]
    loops = {experiment: study.loop(experiment) for experiment in experiments}
    if drawn_for is not None:
        loops = {experiment: loop for experiment, loop in loops.items() if drawn_for(loop)}
    resolved = {experiment: settings(loop) for experiment, loop in loops.items()}
    read = {experiment: tuple(reads(loop) if reads else deps) for experiment, loop in loops.items()}

    watched = watch or Watch()

    def decorate(body: Callable[[Step], Made]) -> dg.AssetsDefinition:
        @dg.asset(
            key=asset_key(name),
            group_name=group,
            deps=[asset_key(dep) for dep in deps],
            partitions_def=study.experiments if partitioned else None,
            description=" ".join(
                filter(None, [table and table.grain, description or inspect.getdoc(body)])
            ),
            metadata=({"dagster/column_schema": column_schema(table)} if table else {})
            | {
                SETTINGS + experiment: dg.MetadataValue.json(dict(values))
                for experiment, values in resolved.items()
            }
            | {
                READS + experiment: dg.MetadataValue.json(list(names))
                for experiment, names in read.items()
                if reads
            },
            check_specs=[
                dg.AssetCheckSpec(
                    check_name,
                    asset=asset_key(name),
                    blocking=True,
                    description=describe("checks", check_name),
                )
                for check_name in checks
            ]
            + [
                dg.AssetCheckSpec(
                    check_name, asset=asset_key(name), blocking=False, description=text
                )
                for check_name, text in watched.checks.items()
            ],
            pool="gpu" if accelerator else None,
            kinds=set(kinds),
        )
        def asset(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
            experiment = context.partition_key if partitioned else SHARED
            if experiment not in loops:
                return make_nothing(context, experiment, [*checks, *watched.checks])
            opened = lake.open()
            with writing(opened, name, experiment, wait=context.log.warning):
                step = Step(
                    opened,
                    name,
                    experiment,
                    loops[experiment],
                    context.log,
                    materializations.output_ids(opened, read[experiment], experiment),
                    resolved[experiment],
                )
                return make(context, step, body, checks, scope, watched)

        return asset

    return decorate
