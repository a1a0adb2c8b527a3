"""Sections of costs by stage and of the selected policies' lineage.

Not here: reading the lineage (`transforms.views.lineage`), the settings
(`transforms.views.page.experiment_settings`).
"""

import polars as pl

from transforms.formats import format_seconds
from transforms.views.lineage.outputs import Input, Lineage, Output, read_lineage
from transforms.views.page.blocks import Block, Node, Section, Tree
from transforms.views.page.cells import make_table
from transforms.views.page.opened_lake import Source

TOTALS = {"elapsed_s": "time", "tokens": "tokens", "bytes": "written"}


def show_costs(source: Source) -> Section:
    """Show seconds, tokens and bytes by stage and by experiment."""
    rows = source.report("stage_costs")
    blocks: list[Block] = []
    if rows.height:
        blocks = [
            make_table(
                _sum_by(rows, "stage"),
                "By stage, over all experiments and iterations.",
                titles=TOTALS,
                units={"bytes": "MB"},
            ),
            make_table(
                _sum_by(rows, "experiment"),
                "By experiment; “shared” rows belong to all experiments.",
                titles=TOTALS,
                units={"bytes": "MB"},
            ),
            make_table(
                _convert_to_megabytes(rows),
                "By experiment, iteration and stage. Iteration 0 means outside the loop.",
                titles={**TOTALS, "tokens_per_s": "speed"},
                units={"bytes": "MB"},
                folded=True,
            ),
        ]
    return Section(
        "cost",
        "Cost",
        "Computing time of the stages, tokens sampled or trained on, and bytes written to the lake "
        "(including checkpoints). Only finished steps count.",
        blocks,
        absent="No costs were recorded.",
    )


def _sum_by(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    summed = rows.group_by(by, maintain_order=True).agg(
        pl.sum("materializations", "elapsed_s", "share"),
        # null if no tokens were counted; polars sums nulls to 0
        pl.when(pl.col("tokens").count() > 0).then(pl.sum("tokens")).alias("tokens"),
        pl.sum("bytes"),
    )
    return _convert_to_megabytes(summed.sort("elapsed_s", by, descending=[True, False]))


def _convert_to_megabytes(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col("bytes") / 1e6)


def show_lineage(source: Source) -> Section:
    """Show the lineage of every experiment's selected policy; the first one is unfolded."""
    lineage = read_lineage(source.lake)
    trees: list[Tree] = []
    for row in source.table("selected_policies").sort("experiment").iter_rows(named=True):
        output = lineage.outputs.get((row["model"], row["policy_id"]))
        if output is not None:
            root = _build_node(Input("selected", *output.key), lineage, set())
            trees.append(Tree(f"{row['experiment']}: {row['model']}", root, folded=bool(trees)))
    return Section(
        "lineage",
        "Lineage of the selected policies",
        "All ancestors of a policy: models by checkpoint id, tables by the version that was read. "
        "An output that occurs twice is shown in full only the first time. prefloop lineage ID "
        "prints more details, prefloop reproduce ID trains the policy again.",
        trees,
        absent="No policy has been selected.",
    )


def _build_node(one: Input, lineage: Lineage, shown: set[tuple[str, str]]) -> Node:
    output = next(lineage.resolve([one]), None)
    if output is None:
        return Node(one.relation, one.title, "no record in the lake")
    if output.key in shown:
        return Node(one.relation, one.title, "see above")
    shown.add(output.key)
    inputs = [_build_node(above, lineage, shown) for above in output.inputs]
    return Node(one.relation, one.title, _describe(output), inputs)


def _describe(output: Output) -> str:
    took = "" if output.elapsed_s is None else f" in {format_seconds(output.elapsed_s)}"
    return f"{', '.join(output.experiments)}, {output.created_at:%Y-%m-%d %H:%M}{took}"
