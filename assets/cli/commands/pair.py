"""The command `prefloop pair`: stored responses and scores, paired again by another rule."""

from typing import Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop pair iterative --as second --set pairs.rule=best_vs_second
prefloop pair iterative/1 --as wide --set pairs.rule=all_above_margin --set pairs.min_margin=2
prefloop pair iterative --as short --set pairs.length_penalty=0.01
"""


def pair(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="experiment, or experiment/iteration.")
    ],
    name: Annotated[str, typer.Option("--as", help="Name of the new experiment.")],
    overrides: Annotated[
        list[str],
        typer.Option("--set", help="Setting of `pairs` laid over the source's, pairs.key=value."),
    ],
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Pair stored responses and scores by other settings, as a new experiment; no model runs.

    To train on the pairs, give the recipe an experiment of this name with the same settings below
    `pairs`, and run it: its first iteration takes over responses and scores, and pairs the same.
    """
    from assets.cli.console import print_table
    from assets.loop.pairing import pair_again
    from transforms.lake.slices import parse_reference, read_slice
    from transforms.measures.slice_diff import pair_changes, pair_summary
    from transforms.settings.overrides import parse_overrides

    with explained():
        lake = open_lake(home)
        changes = parse_overrides(overrides)
        if set(changes) != {"pairs"}:
            raise InputError(
                "only pairs can be made again from what is stored",
                expected="settings below pairs, such as --set pairs.rule=best_vs_second",
                found=", ".join(sorted(changes)),
                remedy="other settings need a run: add an experiment to the recipe",
            )
        reference = parse_reference(source)
        if reference.moment is not None:
            raise InputError(
                "an older version cannot be paired again",
                expected="experiment, or experiment/iteration",
                found=source,
                remedy=f"leave @{reference.moment} out",
            )
        first = read_slice(lake, reference).pairs
        iterations = first["iteration"].unique().sort().to_list()
        made = pair_again(lake, reference.experiment, iterations, name, changes["pairs"])
        second = read_slice(lake, reference._replace(experiment=name)).pairs
        tables = {
            f"DPO pairs of {name} against those of {source}": pair_changes(first, second),
            "Means": pair_summary({source: first, name: second}),
        }
    for title, table in tables.items():
        typer.echo(title)
        print_table(table)
        typer.echo()
    dropped = sum(one.dropped.height for one in made)
    typer.echo(f"{second.height} pairs of {name}, {dropped} prompts without one (dropped_pairs)")
