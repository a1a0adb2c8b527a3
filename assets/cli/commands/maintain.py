"""The command `prefloop maintain`: upkeep of a lake's files."""

from typing import Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake

EXAMPLES = """
Examples:

\b
prefloop maintain --dry-run         # what would be merged and removed
prefloop maintain                   # merge; remove what is a week old
prefloop maintain --retention 0     # remove all that nothing refers to
prefloop maintain --repair          # give damaged files up, then run
"""


def maintain(
    home: LakeHome = QUICKSTART_HOME,
    retention: Annotated[
        int,
        typer.Option(
            min=0, help="Hours that files stay after a commit has removed them from their table."
        ),
    ] = 168,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be done.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Take files that are gone or cut short out of their tables instead, and have "
            "their rows made again by the next run.",
        ),
    ] = False,
) -> None:
    """Merge small files, and remove files of old versions that nothing refers to.

    A version that a materialization or a checkpoint names is never removed. Others can no longer be
    read (`prefloop sql --as-of`) once their files are.
    """
    from assets.cli.console import print_table
    from transforms.lake import maintenance

    with explained():
        lake = open_lake(home)
        if repair:
            done = maintenance.repair(lake, dry_run=dry_run)
        else:
            done = maintenance.maintain(lake, retention_hours=retention, dry_run=dry_run)
    if repair:
        print_table(done)
        typer.echo(f"{done.height} damaged files{' found' if dry_run else ' given up'}")
        return
    if not dry_run:
        done = done.rename(lambda name: name.replace("_to_merge", "_merged"))
        done = done.rename(lambda name: name.replace("_to_remove", "_removed"))
    print_table(done)
