"""The application `prefloop`: all commands of `assets.cli.commands`.

Slow imports are inside the commands, so that `--help` is printed at once.
"""

from importlib.metadata import version
from typing import Annotated

import typer

from assets.cli.commands import (
    diff,
    doctor,
    export_data,
    label,
    lineage,
    maintain,
    plan,
    report,
    run,
    show,
    sources,
    sql,
    ui,
    what_if,
)
from assets.cli.commands.models import benchmark, chat, export, publish, reproduce, sample

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"prefloop {version('prefloop')}")
        raise typer.Exit


@app.callback()
def main(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Online iterative RLHF as a lakehouse. Start with: prefloop run recipes/quickstart.yaml."""


app.command(epilog=run.EXAMPLES)(run.run)
app.command(epilog=sources.EXAMPLES)(sources.sources)
app.command(epilog=plan.EXAMPLES)(plan.plan)
app.command(epilog=report.EXAMPLES)(report.report)
app.command(epilog=ui.EXAMPLES)(ui.ui)
app.command(epilog=sql.EXAMPLES)(sql.sql)
app.command(epilog=show.EXAMPLES)(show.show)
app.command(epilog=lineage.EXAMPLES)(lineage.lineage)
app.command(epilog=diff.EXAMPLES)(diff.diff)
app.command(name="what-if", epilog=what_if.EXAMPLES)(what_if.what_if)
app.command(epilog=sample.EXAMPLES)(sample.sample)
app.command(epilog=chat.EXAMPLES)(chat.chat)
app.command(epilog=benchmark.EXAMPLES)(benchmark.benchmark)
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=publish.EXAMPLES)(publish.publish)
app.command(name="export-data", epilog=export_data.EXAMPLES)(export_data.export_data)
app.command(epilog=reproduce.EXAMPLES)(reproduce.reproduce)
app.command(epilog=maintain.EXAMPLES)(maintain.maintain)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(label.label, name="label")
