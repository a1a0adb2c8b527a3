"""The declaration of an asset of the lake: its settings, its inputs, its checks, its partitions.

`declare` wraps `dagster.asset`: the body takes a `Step` and returns `Made`. Not here: how a step is
run and recorded (`assets.materialize`).
Concept: https://docs.dagster.io/guides/build/assets
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.materialize import Made, Step, Warnings, materialize, skip
from assets.metadata import column_schema
from assets.resources import LakeResource
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.locks import lock_slice
from transforms.lake.query import read_description
from transforms.lake.records import materializations
from transforms.lake.schemas.columns import SHARED
from transforms.lake.schemas.table import Table

SETTINGS = "settings/"
"""Prefix of the metadata keys of an asset's settings, one key per experiment that has the asset."""

READS = "reads/"
"""Prefix of the metadata keys of the upstream assets that an experiment reads."""


def asset_key(name: str) -> dg.AssetKey:
    """Return the key of an asset with a name such as `iteration_2/generations`."""
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
    applies_to: Callable[[LoopSettings], bool] | None = None,
    checks: Sequence[str] = (),
    warnings: Warnings | None = None,
    scope: Callable[["Step"], Mapping[str, str | int]] = lambda step: {},
    accelerator: bool = False,
    kinds: Sequence[str] = (),
    description: str | None = None,
) -> Callable[[Callable[[Step], Made]], dg.AssetsDefinition]:
    """Declare an asset of the lake.

    Args:
        study: the study that the asset belongs to.
        name: its key, parts separated by `/`.
        group: its group in the lineage graph.
        table: declaration of the table that it writes; its page begins with the grain and shows
            the columns.
        deps: names of the assets that it reads.
        reads: returns the part of `deps` that an experiment reads, from the settings of its loop;
            all of them by default. A change of the others does not make the experiment stale.
        settings: returns the settings that its rows or weights depend on, from those of the loop.
        partitioned: whether every experiment has its own.
        applies_to: whether an experiment has the asset, by the settings of its loop; every
            experiment by default. All assets of a job share one set of partitions, so that a
            partition exists for the other experiments, too: its step makes and records nothing.
            `settings` and `reads` are not called for them.
        checks: files of `sql/checks` whose rows are failures; a failure stops what follows.
        warnings: checks that warn and stop nothing.
        scope: returns the columns of the slice that the step writes; `checks` ignore failing rows
            of other slices.
        accelerator: whether it takes the one slot of the pool `gpu`.
        kinds: labels in the graph.
        description: text of the asset's page, after the grain; the body's docstring by default.
    """
    experiments = list(study.recipe.experiments) if partitioned else [SHARED]
    loops = {experiment: study.loop(experiment) for experiment in experiments}
    if applies_to is not None:
        loops = {experiment: loop for experiment, loop in loops.items() if applies_to(loop)}
    resolved = {experiment: settings(loop) for experiment, loop in loops.items()}
    read = {experiment: tuple(reads(loop) if reads else deps) for experiment, loop in loops.items()}

    warned = warnings or Warnings()

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
                    description=read_description("checks", check_name),
                )
                for check_name in checks
            ]
            + [
                dg.AssetCheckSpec(
                    check_name, asset=asset_key(name), blocking=False, description=text
                )
                for check_name, text in warned.checks.items()
            ],
            pool="gpu" if accelerator else None,
            kinds=set(kinds),
        )
        def asset(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:
            experiment = context.partition_key if partitioned else SHARED
            if experiment not in loops:
                return skip(context, experiment, [*checks, *warned.checks])
            opened = lake.open()
            with lock_slice(opened, name, experiment, wait=context.log.warning):
                step = Step(
                    study,
                    opened,
                    name,
                    experiment,
                    loops[experiment],
                    context.log,
                    materializations.find_output_ids(opened, read[experiment], experiment),
                    resolved[experiment],
                )
                return materialize(context, step, body, checks, scope, warned)

        return asset

    return decorate
