"""The command `prefloop chat`: a conversation with a policy of the lake."""

import re
import readline  # noqa: F401  # `input` then edits lines
from typing import Annotated

import typer

from assets.cli.commands.models.options import NAMES, MaxTokens, Seed, Temperature, TopP
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop chat                                   # with the selected policy
prefloop chat iterative/2
prefloop chat sft_policy --temperature 0 --system "Answer in one sentence."
"""

PROMPT = "you> "
HELP = ".new starts a new conversation, .quit leaves (also Ctrl-D), Ctrl-C ends a reply."


def chat(
    model: Annotated[
        str | None,
        typer.Argument(
            help=f"Policy: {NAMES}.",
            show_default="the selected policy",
        ),
    ] = None,
    system: Annotated[str | None, typer.Option(help="System turn of the conversation.")] = None,
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    max_tokens: MaxTokens = 256,
    seed: Seed = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Talk to a policy; replies appear word by word."""
    from assets.cli.console import escape_controls
    from transforms.formats import shorten_id
    from transforms.lake.asset_names import name_model
    from transforms.lake.records.checkpoints import fetch
    from transforms.lake.records.named_models import find_compared_policies, find_policy

    with exit_on_bad_input():
        lake = open_lake(home)
        row = find_policy(lake, model) if model else find_compared_policies(lake)[-1]
        folder = fetch(lake, row).path
        name = name_model(row["experiment"], row["asset"])
        typer.secho(f"{name} {shorten_id(row['checkpoint_id'])}", bold=True)
        from training.engine.streaming import StreamedPolicy, seed_sampling

        policy = StreamedPolicy(folder)
        seed_sampling(seed)
    typer.echo(HELP)
    start = [{"role": "system", "content": system}] if system else []
    messages = [*start]

    def write(text: str) -> None:
        typer.echo("\n".join(map(escape_controls, text.split("\n"))), nl=False)

    while (text := _read_turn()) != ".quit":
        if text == ".new":
            messages = [*start]
        elif not text or re.fullmatch(r"\.\w+", text):  # .help, or a mistyped command
            typer.echo(HELP)
        else:
            turn = {"role": "user", "content": text}
            try:
                reply = policy.reply(
                    [*messages, turn],
                    write,
                    temperature=temperature,
                    top_p=top_p,
                    max_tokens=max_tokens,
                )
            except InputError as error:
                typer.secho(str(error), fg=typer.colors.RED, err=True)
                continue
            typer.echo("" if reply.finish_reason == "stop" else f" [{reply.finish_reason}]")
            messages += [turn, {"role": "assistant", "content": reply.text}]


def _read_turn() -> str:
    """Read a line; Ctrl-C deletes it, Ctrl-D is `.quit`."""
    while True:
        try:
            return input(PROMPT).strip()
        except EOFError:
            typer.echo("")
            return ".quit"
        except KeyboardInterrupt:
            typer.echo("")
