"""What the commands share: options, and how bad input is told to a person."""

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
    typer.Option(help="Folder of lake and run history; dagster_home/<recipe name> by default."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Setting laid over the recipe, e.g. --set loop.dpo.beta=0.05 or --set seed=1."
    ),
]
LakeHome = Annotated[
    Path,
    typer.Option(
        "--home", help="Folder of a study, as `prefloop run` prints it.", envvar="PREFLOOP_HOME"
    ),
]
QUICKSTART_HOME = default_home("quickstart")


class explained:  # noqa: N801 - reads as a word where it is used
    """Print an `InputError` as a message, without a traceback, and exit with 2."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn bad input into exit code 2."""
        if isinstance(error, InputError):
            typer.secho(f"prefloop: {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(2) from None
