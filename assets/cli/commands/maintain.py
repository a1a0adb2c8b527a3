"""The command `prefloop maintain`: maintenance of a lake's files."""

from typing import Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake

EXAMPLES = """
Examples:

\b
prefloop maintain --dry-run         # only print the files
prefloop maintain                   # remove unused files after a week
prefloop maintain --retention 0     # remove all unused files
prefloop maintain --repair          # drop damaged files, then prefloop run
"""


def maintain(
    home: LakeHome = QUICKSTART_HOME,
    retention: Annotated[
        int,
        typer.Option(
            min=0,
            max=168,
            help="Hours for which a version, a file or a model stays after it was replaced. The "
            "maximum is a week, because a Delta table then forgets which files it has replaced.",
        ),
    ] = 168,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the changes, but do not make them.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Instead, remove missing and truncated files from their tables; the next run "
            "makes their rows again.",
        ),
    ] = False,
) -> None:
    """Merge small files; remove old versions, models and leftovers that nothing refers to.

    A version that a materialization or a checkpoint refers to is always kept.
    Other versions can then no longer be read (`prefloop sql --as-of`).
    The folders of temporary files that killed runs have left are removed, too.
    A model is kept if it is the last one of its asset and experiment, was promoted, or
    was read by such a model or by the last materialization of an asset.
    """
    from assets.cli.console import print_table
    from transforms.lake.upkeep import maintenance
    from transforms.lake.upkeep.leftover_folders import remove_leftover_folders
    from transforms.lake.upkeep.unused_checkpoints import remove_unused_checkpoints

    with exit_on_bad_input():
        lake = open_lake(home)
        if repair:
            done = maintenance.repair(lake, dry_run=dry_run)
        else:
            done = maintenance.maintain(lake, retention_hours=retention, dry_run=dry_run)
            models = remove_unused_checkpoints(lake, retention_hours=retention, dry_run=dry_run)
            leftovers = remove_leftover_folders(lake, dry_run=dry_run)
    if repair:
        print_table(done)
        typer.echo(f"{done.height} damaged files{' found' if dry_run else ' dropped'}")
        return
    if not dry_run:
        done = done.rename(lambda name: name.replace("_to_merge", "_merged"))
        done = done.rename(lambda name: name.replace("_to_remove", "_removed"))
    print_table(done)
    if models.height:
        print_table(models)
    freed = "to remove" if dry_run else "removed"
    for noun, folders in {"models": models, "leftovers of killed runs": leftovers}.items():
        size = int(folders["bytes"].sum()) / 1e9
        typer.echo(f"{noun}: {folders.height} folders {freed}, {size:.2f} GB")
