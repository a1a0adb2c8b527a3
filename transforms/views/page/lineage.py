"""The section on lineage: what each selected policy was made from, as a tree.

Not here: reading it (`transforms.views.lineage`).
"""

from transforms.formats import short_id
from transforms.views.lineage.outputs import Input, Lineage, Output, read_lineage
from transforms.views.page.blocks import Node, Section, Tree
from transforms.views.page.cells import seconds
from transforms.views.page.opened_lake import Source


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
    name = f"{one.asset} {short_id(one.output_id)}"
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
