"""The command `prefloop doctor`: checks of this machine and of a lake's place."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.lake.lake import Lake

EXAMPLES = """
Examples:

\b
prefloop doctor                          # versions and GPUs of this machine
prefloop doctor s3://bucket/quickstart   # also the store and the locks
"""


def doctor(
    lake: Annotated[
        str | None,
        typer.Argument(help="Folder or address (s3://bucket/path) of a lake, which may be new."),
    ] = None,
) -> None:
    """Check versions and GPUs, and whether a lake's place is safe for several writers.

    In an object store, writers race for the same objects: one of them must win.
    Nothing stays there. The exit code is 1 if something is wrong.
    """
    from assets.cli.doctor import MACHINE, PLACE

    checks = dict(MACHINE)
    if lake is not None:
        checks |= {name: partial(_check_place, check, lake) for name, check in PLACE.items()}
    faults = [name for name, check in checks.items() if not _print_check(name, check)]
    if faults:
        raise typer.Exit(1)


def _check_place(check: "Callable[[Lake], str]", place: str) -> str:
    from transforms.lake.lake import Lake

    return check(Lake(place))


def _print_check(name: str, check: Callable[[], str]) -> bool:
    """Run a check and print its line; return whether nothing is wrong."""
    try:
        typer.echo(f"ok     {name}: {check()}")
    except InputError as error:
        typer.secho(f"WRONG  {name}: {error}", fg=typer.colors.RED, err=True)
        return False
    return True
