"""The command `prefloop lineage`: the inputs of an output, as a tree, JSON or events."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError
from transforms.formats import cut

if TYPE_CHECKING:
    from transforms.lake.lake import Lake
    from transforms.views.lineage.outputs import Input, Lineage, Output
    from transforms.views.lineage.subjects import Subject

EXAMPLES = """
Examples:

\b
prefloop lineage iterative/2              # the policy of an iteration
prefloop lineage sft_policy --settings    # with the settings of every step
prefloop lineage 2fac4e5480               # a checkpoint
prefloop lineage iterative/2/aa2947aa     # the DPO pair of a prompt
prefloop lineage iterative/2/aa2947aa/3   # a response to it
prefloop lineage 90c1d2 --format json     # a preference pair
prefloop lineage 2fac4e5480 --openlineage http://127.0.0.1:5000/api/v1/lineage
"""

TEXT_CHARS = 160
"""Most characters of a text or a setting in the tree."""
PIPE_CHARS = 100_000
"""Most characters of a line that is not printed on a terminal."""


def lineage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="A model: checkpoint_id (6 digits or more), ASSET, EXPERIMENT/ASSET, "
            "EXPERIMENT/ITERATION, latest. A preference pair: pair_id. A DPO pair: "
            "EXPERIMENT/ITERATION/PROMPT_ID; with /RESPONSE_INDEX, a response.",
        ),
    ],
    home: LakeHome = QUICKSTART_HOME,
    settings: Annotated[
        bool, typer.Option("--settings", help="Also show the settings of every output.")
    ] = False,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="Format of the output.")
    ] = "text",
    openlineage: Annotated[
        str | None,
        typer.Option(
            help="Also send OpenLineage events to this address. The environment variable "
            "OPENLINEAGE_API_KEY may contain a key."
        ),
    ] = None,
) -> None:
    """Show the lineage of a model, a response or a pair: the models and table versions above it."""
    from transforms.views.lineage.outputs import read_lineage
    from transforms.views.lineage.subjects import find_subject

    with exit_on_bad_input():
        lake = open_lake(home)
        found = read_lineage(lake)
        subject = find_subject(lake, found, name)
        if form == "json":
            typer.echo(json.dumps(as_json(subject, found), indent=2, default=str))
        else:
            # in a pipe, a branch is one line of any length
            console = Console(width=None if sys.stdout.isatty() else PIPE_CHARS)
            console.print(as_tree(subject, found, settings), highlight=False)
        if openlineage is not None:
            sent = _send(openlineage, lake, found, subject)
            typer.echo(f"{sent} events sent to {openlineage}", err=True)


def as_json(subject: "Subject", lineage: "Lineage") -> dict[str, Any]:
    """Return the lineage as a graph: the subject, and every output upstream, sources first."""
    return {
        "subject": {
            "kind": subject.kind,
            "id": subject.name,
            "facts": subject.facts,
            "inputs": [vars(one) for one in subject.inputs],
        },
        "outputs": [
            vars(output) | {"inputs": [vars(one) for one in output.inputs]}
            for output in lineage.upstream(subject.inputs)
        ],
    }


def as_tree(subject: "Subject", lineage: "Lineage", settings: bool = False) -> Tree:
    """Return the lineage as a tree; the inputs of an output are shown at its first place.

    Args:
        subject: the root.
        lineage: all outputs of the lake.
        settings: whether the settings of every output, and the software that made a model, are
            shown.
    """
    tree = Tree(f"[bold]{subject.kind.replace('_', ' ')}[/bold] {escape(subject.name)}")
    for name, value in subject.facts.items():
        hidden = ("experiment", "iteration", "prompt_id", *([] if settings else ["environment"]))
        if value is not None and name not in hidden:
            tree.add(f"[dim]{name}[/dim] {escape(_short(value))}")
    shown: set[tuple[str, str]] = set()
    for one in subject.inputs:
        _add_branch(tree, one, lineage, shown, settings)
    return tree


def _send(address: str, lake: "Lake", found: "Lineage", subject: "Subject") -> int:
    """Send the lineage of a subject as OpenLineage events; return their number."""
    try:
        from transforms.views.lineage.openlineage import build_run_events, post_events
    except ModuleNotFoundError as error:
        raise InputError(
            "lineage cannot be sent",
            expected="OpenLineage's client",
            found=str(error),
            remedy="install the extra: pip install 'prefloop[lineage]'",
        ) from None
    return post_events(address, build_run_events(lake, found, subject.inputs))


def _add_branch(
    tree: Tree, one: "Input", lineage: "Lineage", shown: set[tuple[str, str]], settings: bool
) -> None:
    label = f"[cyan]{one.relation}[/cyan] [bold]{escape(one.title)}[/bold]"
    output = next(lineage.resolve([one]), None)
    if output is None:
        tree.add(f"{label} [dim](no record of how it was made)[/dim]")
    elif output.key in shown:
        tree.add(f"{label} [dim](above)[/dim]")
    else:
        shown.add(output.key)
        branch = tree.add(f"{label}  [dim]{_describe_making(output)}[/dim]")
        if output.settings and settings:
            branch.add(f"[dim]{escape(_format_settings(output))}[/dim]")
        for above in output.inputs:
            _add_branch(branch, above, lineage, shown, settings)


def _describe_making(output: "Output") -> str:
    elapsed = "" if output.elapsed_s is None else f" in {output.elapsed_s:.1f} s"
    experiments = escape(f"[{', '.join(output.experiments)}]")
    return f"{experiments} {output.created_at:%Y-%m-%d %H:%M}{elapsed}"


def _format_settings(output: "Output") -> str:
    from transforms.settings.overrides import flatten

    values = {key: value for key, value in flatten(output.settings) if value not in (None, [])}
    return " ".join(f"{key}={_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    """Return a value as one line: of a conversation, the text of its turns."""
    if isinstance(value, list):
        return "; ".join(_short(item) for item in value)
    if isinstance(value, dict) and value.keys() == {"role", "content"}:
        value = value["content"]
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return cut(text, TEXT_CHARS)
