"""Graph of the lake's outputs (table versions and models), linked by the ids of their inputs.

Not here: the lineage of a single row (`transforms.views.lineage.subjects`), the relation of an
input to an output (`sql/staging/lineage_edges.sql`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transforms.formats import shorten_id
from transforms.lake.lake import Lake
from transforms.views.query import connect, query


@dataclass(frozen=True)
class Input:
    """An output that another output was made from."""

    relation: str
    """`parent`, `reference`, `parent, reference`, `sampler`, `ranker`, `model` or `data`."""
    asset: str
    output_id: str

    @property
    def title(self) -> str:
        """Its asset and short id; the id alone if it begins with the name of the asset."""
        short = shorten_id(self.output_id)
        return short if short.startswith(f"{self.asset}@") else f"{self.asset} {short}"


@dataclass(frozen=True)
class Output:
    """An asset's output: a version of a table (or of a slice), or a model."""

    asset: str
    output_id: str
    """`table@version`, or a checkpoint id."""
    experiments: tuple[str, ...]
    """Experiments that recorded it; the one that made it is first."""
    settings: Mapping[str, Any]
    created_at: datetime
    """When it was first recorded, by the clock of the host."""
    commit_version: int
    """Place of its first record among the outputs of its kind: of tables, or of models."""
    run_id: str | None
    """Dagster's run; None for a model whose asset failed a check."""
    elapsed_s: float | None
    kind: str
    """`table`, or the kind of a checkpoint."""
    inputs: tuple[Input, ...]

    @property
    def key(self) -> tuple[str, str]:
        """Its unique key: asset and id."""
        return self.asset, self.output_id


class Lineage:
    """All outputs of a lake."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        """Index outputs by asset and id."""
        self.outputs = {output.key: output for output in outputs}

    def latest(self, asset: str, experiment: str) -> Output | None:
        """Return the last output of an asset for an experiment."""
        made = [
            output
            for output in self.outputs.values()
            if output.asset == asset and experiment in output.experiments
        ]
        return max(made, key=lambda output: output.commit_version, default=None)

    def models(self) -> list[Output]:
        """Return the checkpoints, the oldest first."""
        models = (output for output in self.outputs.values() if output.kind != "table")
        return sorted(models, key=lambda output: output.commit_version)

    def upstream(self, inputs: Iterable[Input]) -> list[Output]:
        """Return the inputs and all their ancestors, each once, sources first."""
        found: dict[tuple[str, str], Output] = {}

        def visit(output: Output) -> None:
            if output.key not in found:
                for above in self.resolve(output.inputs):
                    visit(above)
                found[output.key] = output

        for output in self.resolve(inputs):
            visit(output)
        return list(found.values())

    def resolve(self, inputs: Iterable[Input]) -> Iterator[Output]:
        """Yield the outputs of inputs; an input without a record is left out."""
        for one in inputs:
            if output := self.outputs.get((one.asset, one.output_id)):
                yield output


OUTPUTS = """
with made as (
    select
        asset, output_id, experiment, settings, commit_version, created_at, run_id, elapsed_s,
        'table' as kind
    from materializations
    where output_id not in (select checkpoint_id from checkpoints)
    union all
    select
        checkpoints.asset, checkpoint_id, checkpoints.experiment, checkpoints.settings,
        checkpoints.commit_version, checkpoints.created_at, run_id, elapsed_s, kind
    from checkpoints
    left join materializations on materializations.asset = checkpoints.asset
        and materializations.experiment = checkpoints.experiment
        and materializations.output_id = checkpoint_id
)
select
    asset,
    output_id,
    list_distinct(list(experiment)) as experiments,
    arg_min(experiment, commit_version) as first_experiment,
    arg_min(settings, commit_version) as settings,
    arg_min(run_id, commit_version) as run_id,
    arg_min(elapsed_s, commit_version) as elapsed_s,
    any_value(kind) as kind,
    arg_min(created_at, commit_version) as created_at,
    min(commit_version) as commit_version
from made
group by asset, output_id
order by kind, commit_version
"""

EDGES = """
select
    asset,
    output_id,
    input_asset,
    input_id,
    string_agg(relation, ', ' order by relation) as relations
from lineage_edges
group by asset, output_id, input_asset, input_id
order by relations = 'data', relations, input_asset
"""


def read_lineage(lake: Lake) -> Lineage:
    """Read the outputs from the tables `materializations` and `checkpoints`.

    If an output was made several times, its settings and times are those of the first run.
    """
    with connect(lake) as connection:
        edges = query(connection, EDGES)
        outputs = query(connection, OUTPUTS)
    inputs: dict[tuple[str, str], list[Input]] = {}
    for row in edges.iter_rows(named=True):
        made = Input(row["relations"], row["input_asset"], row["input_id"])
        inputs.setdefault((row["asset"], row["output_id"]), []).append(made)
    return Lineage(
        Output(
            asset=row["asset"],
            output_id=row["output_id"],
            experiments=(
                row["first_experiment"],
                *sorted(set(row["experiments"]) - {row["first_experiment"]}),
            ),
            settings=json.loads(row["settings"]),
            created_at=row["created_at"],
            commit_version=row["commit_version"],
            run_id=row["run_id"],
            elapsed_s=row["elapsed_s"],
            kind=row["kind"],
            inputs=tuple(inputs.get((row["asset"], row["output_id"]), ())),
        )
        for row in outputs.iter_rows(named=True)
    )
