"""The command `prefloop current`: the policy that was promoted last, and the decisions on it."""

from typing import Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop current                          # the quickstart's
prefloop current --home dagster_home/llama3_8b --decisions 20
prefloop sql "from promotions where not promoted"
"""

ID_CHARS = 12
"""Digits of a checkpoint id that are printed; they are enough to ask for it."""


def current(
    home: LakeHome = QUICKSTART_HOME,
    decisions: Annotated[
        int, typer.Option(min=1, help="Decisions that are printed, the last ones.")
    ] = 5,
) -> None:
    """Print the current policy, where it lies, and the last decisions on promotion."""
    from assets.cli.console import print_table
    from transforms.lake.records import checkpoints, promotions

    with explained():
        lake = open_lake(home)
        row = promotions.current(lake)
        if row is None:
            raise InputError(
                "there is no current policy",
                expected="a row of the table promotions",
                found="none",
                remedy="give the recipe the key `promotion`, such as --set promotion.level=0.95,"
                " and run it",
            )
        [policy] = checkpoints.all_of(lake, {row["policy_id"]})
        made = promotions.decisions(lake)
    typer.echo(
        f"current policy  {row['policy_id']}\n"
        f"made by         {row['model']} [{row['experiment']}], promoted {row['created_at']:%F %R}"
        " UTC\n"
        f"because         {row['reason']}\n"
        f"path            {policy.path}\n"
        f"lineage         prefloop lineage {row['policy_id'][:ID_CHARS]} --home {home}\n"
    )
    print_table(promotions.readable(made.tail(decisions), ID_CHARS))
