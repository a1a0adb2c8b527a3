"""Options of several commands, and the exit of a command on bad input."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from assets.home import default_home
from transforms.errors import InputError

RecipePath = Annotated[
    Path, typer.Argument(help="Recipe: one YAML file, one study.", show_default=False)
]
Home = Annotated[
    Path | None,
    typer.Option(help="Folder of lake and run history; by default dagster_home/<recipe name>."),
]
LakePlace = Annotated[
    str | None,
    typer.Option(
        "--lake",
        help="Folder or address (s3://bucket/path, gs://, az://) of the lake, if it is not in "
        "--home. Credentials come from the environment.",
        envvar="PREFLOOP_LAKE",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override a setting of the recipe, e.g. --set loop.dpo.beta=0.05; repeatable.",
    ),
]
LakeHome = Annotated[
    str,
    typer.Option(
        "--home",
        "--lake",
        help="Folder of the study, which `prefloop run` prints; or folder or address "
        "(s3://bucket/path) of a lake.",
        envvar=["PREFLOOP_HOME", "PREFLOOP_LAKE"],
        show_default="dagster_home/quickstart",
    ),
]
LakeHomes = Annotated[
    list[str] | None,
    typer.Option(
        "--home",
        "--lake",
        help="Folder of a study, which `prefloop run` prints, or folder or address of a lake; "
        "repeat for several lakes.",
        envvar=["PREFLOOP_HOME", "PREFLOOP_LAKE"],
    ),
]
QUICKSTART_HOME = str(default_home("quickstart"))


@contextmanager
def exit_on_bad_input() -> Iterator[None]:
    """Print an `InputError` as a message, without a traceback, and exit with code 2.

    After Ctrl-C the code is 130.
    """
    try:
        yield
    except InputError as error:
        message = f"prefloop: {error}"
        if sys.stderr.isatty():
            from rich.console import Console

            from assets.cli.console import wrap_message

            message = wrap_message(message, Console(stderr=True).width)
        typer.secho(message, fg=typer.colors.RED, err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("", err=True)  # ends the line on which the terminal shows ^C
        raise
