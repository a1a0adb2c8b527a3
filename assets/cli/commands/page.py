"""The command `prefloop page`: one HTML file about one or more lakes."""

from pathlib import Path
from typing import Annotated

import typer

from assets.cli.files import refuse_unwritable
from assets.cli.options import QUICKSTART_HOME, LakeHomes, exit_on_bad_input
from assets.home import name_lake, open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop page                       # dagster_home/quickstart/page.html
prefloop page --home dagster_home/hh_rlhf_cpu --output hh_rlhf.html
prefloop page --home seed_0 --home seed_1 --output seeds.html
"""


def page(
    home: LakeHomes = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The HTML file; by default page.html in the first folder, or "
            "in the current one for an address."
        ),
    ] = None,
) -> None:
    """Write an HTML file that opens offline: progress, figures, tables of the paper, costs."""
    from transforms.views.page.write import write_page

    with exit_on_bad_input():
        homes = home or [QUICKSTART_HOME]
        names = [name_lake(place) for place in homes]
        if len(set(names)) < len(names):
            raise InputError(
                "two lakes have the same name",
                expected="folders with different names, which are the titles on the page",
                found=", ".join(homes),
                remedy="rename a folder, or leave one out",
            )
        lakes = dict(zip(names, map(open_lake, homes), strict=True))
        first = Path(homes[0]).expanduser()
        file = output or (first if first.is_dir() else Path.cwd()) / "page.html"
        text = write_page(lakes, f"prefloop: {', '.join(names)}")
        with refuse_unwritable(file):
            file.write_text(text, encoding="utf-8")
    typer.echo(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
