"""The command `prefloop lineage`: what something was made from, as a tree, JSON or events."""

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError
from transforms.formats import cut, shorten_id

if TYPE_CHECKING:
    from transforms.lake.lake import Lake
    from transforms.views.lineage.outputs import Input, Lineage, Output
    from transforms.views.lineage.subjects import Subject

EXAMPLES = """
Examples:

\b
prefloop lineage 2fac4e5480               # a checkpoint
prefloop lineage iterative/2/aa2947aa     # the DPO pair of a prompt
prefloop lineage iterative/2/aa2947aa/3   # a response to it
prefloop lineage 90c1d2 --format json     # a preference pair
prefloop lineage 2fac4e5480 --openlineage http://127.0.0.1:5000/api/v1/lineage
"""

TEXT_CHARS = 160
"""Most characters of a text or a setting that the tree shows."""


def lineage(
    name: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT|PAIR_ID|RESPONSE_ID",
            help="A checkpoint id or a pair_id (6 digits of it or more), a DPO pair "
            "(experiment/iteration/prompt_id), or a response (the same and /response_index).",
        ),
    ],
    home: LakeHome = QUICKSTART_HOME,
    form: Annotated[
        Literal["text", "json"], typer.Option("--format", help="How it is printed.")
    ] = "text",
    openlineage: Annotated[
        str | None,
        typer.Option(
            help="Post it to this address, too, as OpenLineage events. A key is taken from the "
            "environment variable OPENLINEAGE_API_KEY."
        ),
    ] = None,
) -> None:
    """Show what a model, a response or a pair was made from: models, table versions, settings."""
    from transforms.views.lineage.outputs import read_lineage
    from transforms.views.lineage.subjects import find_subject

    with explained():
        lake = open_lake(home)
        found = read_lineage(lake)
        subject = find_subject(lake, found, name)
        if form == "json":
            typer.echo(json.dumps(as_json(subject, found), indent=2, default=str))
        else:
            console = Console(soft_wrap=not sys.stdout.isatty())  # one line each where it is piped
            console.print(as_tree(subject, found), highlight=False)
        if openlineage is not None:
            posted = _post(openlineage, lake, found, subject)
            typer.echo(f"{posted} events posted to {openlineage}", err=True)


def as_json(subject: "Subject", lineage: "Lineage") -> dict[str, Any]:
    """Write the chain as a graph: the subject, and every output above it, sources first."""
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


def as_tree(subject: "Subject", lineage: "Lineage") -> Tree:
    """Make a tree of the chain; the inputs of an output are shown where it first appears."""
    tree = Tree(f"[bold]{subject.kind.replace('_', ' ')}[/bold] {escape(subject.name)}")
    for name, value in subject.facts.items():
        if value is not None and name not in ("experiment", "iteration", "prompt_id"):
            tree.add(f"[dim]{name}[/dim] {escape(_short(value))}")
    drawn: set[tuple[str, str]] = set()
    for one in subject.inputs:
        _draw(tree, one, lineage, drawn)
    return tree


def _post(address: str, lake: "Lake", found: "Lineage", subject: "Subject") -> int:
    """Post what a subject was made from as OpenLineage events; return how many."""
    try:
        from transforms.views.lineage.openlineage import build_run_events, post_events
    except ModuleNotFoundError as error:
        raise InputError(
            "lineage cannot be posted here",
            expected="OpenLineage's client",
            found=str(error),
            remedy="install the extra: pip install 'prefloop[lineage]'",
        ) from None
    return post_events(address, build_run_events(lake, found, subject.inputs))


def _draw(tree: Tree, one: "Input", lineage: "Lineage", drawn: set[tuple[str, str]]) -> None:
    label = f"[cyan]{one.relation}[/cyan] [bold]{escape(one.asset)}[/bold] "
    output = next(lineage.resolve([one]), None)
    if output is None:
        tree.add(f"{label}{escape(one.output_id)} [dim](no record of how it was made)[/dim]")
    elif output.key in drawn:
        tree.add(f"{label}{_id(output)} [dim](above)[/dim]")
    else:
        drawn.add(output.key)
        branch = tree.add(f"{label}{_id(output)}  [dim]{_made(output)}[/dim]")
        if output.settings:
            branch.add(f"[dim]{escape(_settings(output))}[/dim]")
        for above in output.inputs:
            _draw(branch, above, lineage, drawn)


def _id(output: "Output") -> str:
    return escape(shorten_id(output.output_id))


def _made(output: "Output") -> str:
    elapsed = "" if output.elapsed_s is None else f" in {output.elapsed_s:.1f} s"
    experiments = escape(f"[{', '.join(output.experiments)}]")
    return f"{experiments} {output.created_at:%Y-%m-%d %H:%M:%S}{elapsed}"


def _settings(output: "Output") -> str:
    from transforms.settings.overrides import flatten

    values = {key: value for key, value in flatten(output.settings) if value not in (None, [])}
    return " ".join(f"{key}={_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    """Write a value in one line: a conversation as its turns' text, a list of rows as rows."""
    if isinstance(value, list):
        return "; ".join(_short(item) for item in value)
    if isinstance(value, dict) and value.keys() == {"role", "content"}:
        value = value["content"]
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    return cut(text, TEXT_CHARS)
