"""The command `prefloop sample`: replies of one or two models to a prompt, side by side."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assets.cli.commands.models.options import NAMES, MaxTokens, Seed, Temperature, TopP
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

if TYPE_CHECKING:
    from assets.cli.side_by_side import Columns

EXAMPLES = """
Examples:

\b
prefloop sample "name two fruits in brackets"     # sft_policy and the selected policy
prefloop sample iterative/2 "name two fruits"
prefloop sample sft_policy 2fac4e5480 "name two fruits" --temperature 0
"""


def sample(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[MODEL [MODEL]] PROMPT",
            help=f"One or two policies, then the prompt. A policy: {NAMES}. By default, the "
            "first one (sft_policy) and the selected one.",
        ),
    ],
    temperature: Temperature = 1.0,
    top_p: TopP = 1.0,
    max_tokens: MaxTokens = 256,
    seed: Seed = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Sample a reply of one or two policies to a prompt. Ctrl-C ends a reply."""
    from assets.cli.side_by_side import print_plainly, show_columns
    from transforms.formats import shorten_id
    from transforms.lake.asset_names import name_model
    from transforms.lake.records.checkpoints import fetch
    from transforms.lake.records.named_models import find_compared_policies, find_policy

    *names, prompt = words
    with exit_on_bad_input():
        if len(names) > 2:
            raise InputError(
                "too many models",
                expected="one or two models, then the prompt in quotes",
                found=f"{len(words)} words",
                remedy='prefloop sample MODEL MODEL "a prompt of several words"',
            )
        lake = open_lake(home)
        models = [find_policy(lake, name) for name in names] or find_compared_policies(lake)
        folders = [fetch(lake, model).path for model in models]
        titles = [
            f"{name_model(model['experiment'], model['asset'])}"
            f" {shorten_id(model['checkpoint_id'])}"
            for model in models
        ]
        from training.engine.streaming import StreamedPolicy, seed_sampling

        def write_replies(columns: "Columns") -> None:
            for number, folder in enumerate(folders):
                seed_sampling(seed)
                messages = [{"role": "user", "content": prompt}]
                reply = StreamedPolicy(folder).reply(messages, columns.write_to(number), **settings)
                columns.end(number, reply.finish_reason)

        settings: dict[str, Any] = {
            "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens
        }  # fmt: skip
        show = show_columns if sys.stdout.isatty() and len(models) > 1 else print_plainly
        show(titles, write_replies)
