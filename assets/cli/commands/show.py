"""The command `prefloop show`: a prompt of the loop with all its responses."""

from typing import TYPE_CHECKING, Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake

if TYPE_CHECKING:
    from transforms.lake.lake import Lake
    from transforms.views.prompt_responses import PromptResponses, Slice

EXAMPLES = """
Examples:

\b
prefloop show iterative/2             # prompts with the largest and smallest margins, and others
prefloop show iterative/2/6b8cb7ab    # one of them, with all its responses
prefloop show one_shot/1              # the baseline of one large sample
"""

EXAMPLE_ROWS = 4
"""Prompts of each kind in the list."""


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT/ITERATION[/PROMPT]",
            help="An iteration, or a prompt of it by the first digits of its prompt_id.",
        ),
    ],
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Show the responses to a prompt by reward: chosen, rejected, policy, settings."""
    from transforms.views.prompt_responses import find_prompt, read_slice_prompts

    with exit_on_bad_input():
        lake = open_lake(home)
        experiment, _, rest = name.partition("/")
        iteration, _, digits = rest.partition("/")
        found = read_slice_prompts(lake, f"{experiment}/{iteration}")
        if digits:
            _print_prompt(lake, found.name, find_prompt(found, digits))
        else:
            _print_list(found)


def _print_list(found: "Slice") -> None:
    """Print examples of an iteration's prompts, one per line."""
    from assets.cli.console import print_text
    from transforms.views.prompt_responses import PROMPT_DIGITS, list_examples

    pairs = "no pairs yet" if found.pairs.is_empty() else f"{found.pairs.height} pairs"
    print_text(
        f"{found.name}: {found.prompts.height} prompts, {found.responses.height} responses, {pairs}"
    )
    shown = ""
    for row in list_examples(found, EXAMPLE_ROWS).iter_rows(named=True):
        if row["example"] != shown:
            shown = row["example"]
            print_text(f"\n{shown}", style="bold")
        result = row["reason"] if row["margin"] is None else f"{row['margin']:.3f}"
        text = " ".join(row["prompt"][-1]["content"].split())
        line = f"{row['prompt_id'][:PROMPT_DIGITS]}  {result or '':>7}  {text}"
        print_text(line, 2, cut=True)
    print_text(f"\nOne with all its responses: prefloop show {found.name}/PROMPT", style="dim")


def _print_prompt(lake: "Lake", name: str, found: "PromptResponses") -> None:
    """Print a prompt, how its responses were made, and each response with its reward."""
    from assets.cli.console import print_text
    from transforms.views.prompt_responses import describe_model

    print_text(f"{name}/{found.prompt_id}", style="bold")
    for turn in found.prompt:
        print_text(turn["role"], style="cyan")
        print_text(turn["content"], 4)
    made = found.responses.select(
        "policy_id", "sampler_policy", "temperature", "top_p", "max_tokens"
    ).unique(maintain_order=True)
    for policy_id, sampler, temperature, top_p, max_tokens in made.iter_rows():
        print_text(
            f"policy   {describe_model(lake, policy_id)} ({sampler}), temperature {temperature:g},"
            f" top_p {top_p:g}, max_tokens {max_tokens}",
            style="dim",
        )
    ranker = next(iter(found.responses["ranker"].drop_nulls()), "none yet")
    print_text(f"ranker   {ranker}", style="dim")
    for pair in found.pairs.iter_rows(named=True):
        sides = pair["chosen_response_index"], pair["rejected_response_index"]
        print_text(
            f"pair     response {sides[0]} over {sides[1]} by {pair['rule']}, margin"
            f" {pair['margin']:.3f}",
            style="dim",
        )
    if found.reason:
        print_text(f"no pair  {found.reason}", style="dim")
    for row in found.responses.iter_rows(named=True):
        side = "chosen" if row["chosen"] else "rejected" if row["rejected"] else ""
        reward = "none" if row["reward"] is None else f"{row['reward']:.3f}"
        end = ", cut at max_tokens" if row["finish_reason"] == "length" else ""
        print_text(
            f"\nreward {reward}  response {row['response_index']}, {row['response_tokens']} tokens"
            f"{end}  {side}".rstrip(),
            style={"chosen": "green", "rejected": "red"}.get(side, ""),
        )
        print_text(row["response"], 4)
