"""The command `prefloop diff`: what differs between two experiments, iterations or moments."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.lake.slices import LoopSlice, Reference

EXAMPLES = """
Examples:

\b
prefloop diff iterative concise           # two experiments
prefloop diff iterative/1 iterative/2     # two iterations
prefloop diff iterative/2@2026-11-21T10:30 iterative/2   # what a backfill did
prefloop diff iterative concise --format json
"""

Slice = Annotated[
    str,
    typer.Argument(
        metavar="SLICE", help="experiment, experiment/iteration, or either as it was: @time."
    ),
]


def diff(
    first: Slice,
    second: Slice,
    home: LakeHome = QUICKSTART_HOME,
    form: Annotated[
        Literal["table", "json"], typer.Option("--format", help="How it is printed.")
    ] = "table",
) -> None:
    """Compare two slices of the loop: pairs that changed, shift of scores and lengths, wins."""
    from assets.cli.console import print_table
    from transforms.lake.slices import parse_reference, read_slice
    from transforms.measures import slice_diff

    with explained():
        lake = open_lake(home)
        references = [parse_reference(text) for text in (first, second)]
        slices = _aligned(references, [read_slice(lake, one) for one in references])
        tables = {
            "pairs": slice_diff.count_pair_changes(slices[0].pairs, slices[1].pairs),
            "shifts": slice_diff.measure_shifts(*slices),
            "wins": slice_diff.compare_policies(slices[0].evaluation, slices[1].evaluation),
        }
        sides = [
            {"side": side, "slice": text, **_made_by(one)}
            for side, text, one in zip(("first", "second"), (first, second), slices, strict=True)
        ]
    if form == "json":
        found = {name: table.to_dicts() for name, table in tables.items()}
        typer.echo(json.dumps({"slices": sides, **found}))
        return
    for side in sides:
        facts = [f"{name} {', '.join(side[name])}" for name in ("sampler", "ranker") if side[name]]
        typer.echo(f"{side['side']:6}  {side['slice']}: {'; '.join(facts)}")
    typer.echo("\nDPO pairs, by iteration")
    print_table(tables["pairs"])
    typer.echo("\nShift, second minus first (standard error by prompt)")
    print_table(tables["shifts"].rename({"standard_error": "difference_se"}))
    typer.echo("\nWin rate of the second's policy on the evaluation prompts (0.5: equal)")
    print_table(
        tables["wins"].rename(
            {"standard_error": "value_se", "low": "value_low", "high": "value_high"}
        )
    )


def _aligned(references: list["Reference"], slices: list["LoopSlice"]) -> list["LoopSlice"]:
    """Give two iterations one number, the second's, so that their prompts meet.

    Raises:
        InputError: one side names an iteration and the other does not.
    """
    named = [one.iteration for one in references]
    if None not in named:
        return [_renumbered(slices[0], named[1]), slices[1]]
    if named != [None, None]:
        raise InputError(
            "an iteration cannot be compared with an experiment",
            expected="both with an iteration, or both without",
            found=" and ".join(
                one.experiment + (f"/{one.iteration}" if one.iteration else "")
                for one in references
            ),
            remedy="name the iteration of both, such as iterative/2",
        )
    return slices


def _renumbered(one: "LoopSlice", iteration: int) -> "LoopSlice":
    import polars as pl

    number = pl.lit(iteration, dtype=pl.Int32).alias("iteration")
    return replace(one, **{name: frame.with_columns(number) for name, frame in vars(one).items()})


def _made_by(one: "LoopSlice") -> dict[str, Any]:
    """Name the policies that wrote a slice's responses and what ranked them."""
    return {
        "sampler": one.generations["policy_id"].unique().drop_nulls().sort().to_list(),
        "ranker": one.scores["ranker_id"].unique().drop_nulls().sort().to_list(),
    }
