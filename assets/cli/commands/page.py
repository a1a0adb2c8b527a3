"""The command `prefloop page`: one HTML file about one or more lakes."""

from pathlib import Path
from typing import Annotated

import typer

from assets.cli.files import refuse_unwritable
from assets.cli.options import QUICKSTART_HOME, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop page                       # dagster_home/quickstart/page.html
prefloop page --home dagster_home/hh_rlhf_cpu --output hh_rlhf.html
prefloop page --home seed_0 --home seed_1 --output seeds.html
"""


def page(
    home: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a study, which `prefloop run` prints; repeat for several lakes."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The HTML file; by default page.html in the first folder."),
    ] = None,
) -> None:
    """Write an HTML file that opens offline: progress, figures, tables of the paper, costs."""
    from transforms.views.page.write import write_page

    with exit_on_bad_input():
        homes = [folder.expanduser().resolve() for folder in home or [QUICKSTART_HOME]]
        names = [folder.name for folder in homes]
        if len(set(names)) < len(names):
            raise InputError(
                "two lakes have the same name",
                expected="folders with different names, which are the titles on the page",
                found=", ".join(map(str, homes)),
                remedy="rename a folder, or leave one out",
            )
        lakes = {folder.name: open_lake(folder) for folder in homes}
        file = output or homes[0] / "page.html"
        text = write_page(lakes, f"prefloop: {', '.join(names)}")
        with refuse_unwritable(file):
            file.write_text(text, encoding="utf-8")
    typer.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
