"""The command `prefloop diff`: differences of two experiments, iterations or versions."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.lake.slices import LoopSlice, Reference

EXAMPLES = """
Examples:

\b
prefloop diff iterative raft_concise        # two experiments
prefloop diff iterative/1 iterative/2       # two iterations
prefloop diff iterative/2@2026-11-21T10:30 iterative/2     # an old version
prefloop diff iterative raft_concise --format json
"""

Slice = Annotated[
    str,
    typer.Argument(
        metavar="SLICE",
        help="EXPERIMENT or EXPERIMENT/ITERATION; with @TIME, its version at that time.",
    ),
]


def diff(
    first: Slice,
    second: Slice,
    home: LakeHome = QUICKSTART_HOME,
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="Format of the output.")
    ] = "table",
) -> None:
    """Compare two slices of the loop: changed pairs, shift of scores and lengths, win rates."""
    from assets.cli.console import print_table, print_text
    from transforms.lake.slices import parse_reference, read_slice
    from transforms.measures import slice_diff
    from transforms.views.prompt_responses import describe_model

    with exit_on_bad_input():
        lake = open_lake(home)
        references = [parse_reference(text) for text in (first, second)]
        slices = _align_iterations(references, [read_slice(lake, one) for one in references])
        tables = {
            "pairs": slice_diff.count_pair_changes(slices[0].pairs, slices[1].pairs),
            "shifts": slice_diff.measure_shifts(*slices),
            "wins": slice_diff.compare_policies(slices[0].evaluation, slices[1].evaluation),
        }
        sides = [
            {"side": side, "slice": text, **_list_makers(one)}
            for side, text, one in zip(("first", "second"), (first, second), slices, strict=True)
        ]
    if form == "json":
        found = {name: table.to_dicts() for name, table in tables.items()}
        typer.echo(json.dumps({"slices": sides, **found}))
        return
    for side in sides:
        print_text(f"{side['side']:6}  {side['slice']}")
        for maker in ("sampler", "ranker"):
            models = ", ".join(sorted(describe_model(lake, one) for one in side[maker]))
            print_text(f"{maker} {models or 'none'}", 8)
    typer.echo("\nDPO pairs by iteration (added: in the second only; removed: in the first only)")
    print_table(tables["pairs"])
    typer.echo("\nShift, second minus first (standard error by prompt)")
    print_table(tables["shifts"].rename({"standard_error": "difference_se"}))
    typer.echo("\nWin rate of the second's policy on the evaluation prompts (0.5: equal)")
    print_table(
        tables["wins"].rename(
            {"standard_error": "value_se", "low": "value_low", "high": "value_high"}
        )
    )


def _align_iterations(
    references: list["Reference"], slices: list["LoopSlice"]
) -> list["LoopSlice"]:
    """Give two iterations the number of the second one, so that their prompts can be joined.

    Raises:
        InputError: only one side has an iteration.
    """
    first, second = (one.iteration for one in references)
    if first is not None and second is not None:
        return [_renumber(slices[0], second), slices[1]]
    if (first, second) != (None, None):
        raise InputError(
            "an iteration cannot be compared with an experiment",
            expected="both with an iteration, or both without",
            found=" and ".join(
                one.experiment + (f"/{one.iteration}" if one.iteration else "")
                for one in references
            ),
            remedy="give both an iteration, such as iterative/2",
        )
    return slices


def _renumber(one: "LoopSlice", iteration: int) -> "LoopSlice":
    import polars as pl

    number = pl.lit(iteration, dtype=pl.Int32).alias("iteration")
    return replace(one, **{name: frame.with_columns(number) for name, frame in vars(one).items()})


def _list_makers(one: "LoopSlice") -> dict[str, Any]:
    """Return the policies and the rankers of a slice's responses."""
    return {
        "sampler": one.generations["policy_id"].unique().drop_nulls().sort().to_list(),
        "ranker": one.scores["ranker_id"].unique().drop_nulls().sort().to_list(),
    }
