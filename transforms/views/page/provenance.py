"""How a lake was made: the cost of every stage, and what each selected policy was made from.

Not here: reading the lineage (`transforms.views.lineage`), the settings
(`transforms.views.page.summary`).
"""

import polars as pl

from transforms.formats import shorten_id
from transforms.views.lineage.outputs import Input, Lineage, Output, read_lineage
from transforms.views.page.blocks import Block, Node, Section, Tree
from transforms.views.page.cells import seconds, table
from transforms.views.page.opened_lake import Source

TOTALS = {"elapsed_s": "time", "tokens": "tokens", "bytes": "written"}


def cost(source: Source) -> Section:
    """Show seconds, tokens and bytes by stage and by experiment."""
    rows = source.report("costs")
    blocks: list[Block] = []
    if rows.height:
        blocks = [
            table(
                _summed(rows, "stage"),
                "By stage, over all experiments and iterations.",
                titles=TOTALS,
                units={"bytes": "MB"},
            ),
            table(
                _summed(rows, "experiment"),
                "By experiment; “shared” is what all experiments use.",
                titles=TOTALS,
                units={"bytes": "MB"},
            ),
            table(
                _megabytes(rows),
                "By experiment, iteration and stage. Iteration 0 is what lies outside the loop.",
                titles={**TOTALS, "tokens_per_s": "speed"},
                units={"bytes": "MB"},
                folded=True,
            ),
        ]
    return Section(
        "cost",
        "Cost",
        "Seconds of the stages' own work, tokens sampled or trained on, and what was written to "
        "the lake, checkpoints included; only of steps that finished.",
        blocks,
        absent="No cost was recorded.",
    )


def _summed(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    summed = rows.group_by(by, maintain_order=True).agg(
        pl.sum("materializations", "elapsed_s", "share"),
        # a sum of nulls is null: no tokens were counted
        pl.when(pl.col("tokens").count() > 0).then(pl.sum("tokens")).alias("tokens"),
        pl.sum("bytes"),
    )
    return _megabytes(summed.sort("elapsed_s", by, descending=[True, False]))


def _megabytes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("bytes") / 1e6)


def selected_lineage(source: Source) -> Section:
    """Draw the lineage of every experiment's selected policy, the first one open."""
    lineage = read_lineage(source.lake)
    trees = []
    for row in source.table("selected_policies").sort("experiment").iter_rows(named=True):
        output = lineage.outputs.get((row["model"], row["policy_id"]))
        if output is not None:
            root = _node(Input("selected", *output.key), lineage, set())
            trees.append(Tree(f"{row['experiment']}: {row['model']}", root, folded=bool(trees)))
    return Section(
        "lineage",
        "Lineage of the selected policies",
        "Everything that a policy descends from: models by checkpoint id, tables by the version "
        "that was read. What occurs twice is drawn where it is first named. "
        "prefloop lineage ID tells more, prefloop reproduce ID makes it again.",
        trees,
        absent="No policy has been selected.",
    )


def _node(one: Input, lineage: Lineage, drawn: set[tuple[str, str]]) -> Node:
    name = f"{one.asset} {shorten_id(one.output_id)}"
    output = next(lineage.resolve([one]), None)
    if output is None:
        return Node(one.relation, name, "no record of how it was made")
    if output.key in drawn:
        return Node(one.relation, name, "above")
    drawn.add(output.key)
    inputs = [_node(above, lineage, drawn) for above in output.inputs]
    return Node(one.relation, name, _made(output), inputs)


def _made(output: Output) -> str:
    took = "" if output.elapsed_s is None else f" in {seconds(output.elapsed_s)}"
    return f"{', '.join(output.experiments)}, {output.created_at:%Y-%m-%d %H:%M}{took}"
