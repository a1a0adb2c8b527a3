"""The command `prefloop what-if`: other pairing or other sampling of stored responses."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError
from transforms.lake.asset_names import iteration_asset

if TYPE_CHECKING:
    from transforms.lake.lake import Lake
    from transforms.lake.slices import Reference

EXAMPLES = """
Examples:

\b
prefloop what-if iterative --as second --set pairs.rule=best_vs_second
prefloop what-if iterative/1 --as wide --set pairs.rule=all_above_margin
prefloop what-if iterative --as short --set pairs.length_penalty=0.01
prefloop what-if iterative --round 2 --enough-margin 3
prefloop what-if iterative/2 --round 2 --least-growth 0.1
"""


def what_if(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="EXPERIMENT or EXPERIMENT/ITERATION.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", help="Name of the new experiment, with --set.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Setting of `pairs` that overrides the source's: pairs.key=value.",
        ),
    ] = None,
    responses_per_round: Annotated[
        int | None, typer.Option("--round", help="Number of responses per round of adaptive n.")
    ] = None,
    enough_margin: Annotated[
        float | None,
        typer.Option(help="With --round: stop a prompt at this margin, in reward units."),
    ] = None,
    least_growth: Annotated[
        float | None,
        typer.Option(
            help="With --round: stop a prompt if a round widens its margin by at most this."
        ),
    ] = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Pair stored responses by other settings, or replay sampling in rounds, without a model.

    With --set: write the pairs as a new experiment, and compare them with the
    source's. To train on them, add an experiment of this name with the same
    `pairs` settings to the recipe and run it: its first iteration reuses the
    responses and scores, and makes the same pairs.

    With --round: replay adaptive n on responses of a fixed n, and print saved
    tokens and changed pairs. An experiment samples in this way if it has the
    same settings in `loop.sampling.adaptive`.
    """
    with exit_on_bad_input():
        if (responses_per_round is None) == (not overrides) or bool(overrides) != bool(name):
            raise InputError(
                "what-if needs either --set or --round",
                expected="--as NAME with --set pairs.key=value, or --round N",
                found="neither"
                if responses_per_round is None and not overrides
                else "something else",
                remedy="see `prefloop what-if --help`",
            )
        if responses_per_round is None and (enough_margin, least_growth) != (None, None):
            raise InputError(
                "--enough-margin and --least-growth are for sampling in rounds only",
                expected="--round N with them",
                found="--set",
                remedy="remove them, or use --round instead of --set",
            )
        lake = open_lake(home)
        if overrides and name:
            _pair(lake, source, name, overrides)
        else:
            _sample(lake, source, responses_per_round, enough_margin, least_growth)


def _pair(lake: "Lake", source: str, name: str, overrides: list[str]) -> None:
    """Write pairs by other settings as a new experiment; print the changes."""
    from assets.cli.console import print_table
    from assets.loop.pairing import pair_again
    from transforms.lake.slices import read_slice
    from transforms.measures.slice_diff import count_pair_changes, summarise_pairs
    from transforms.settings.overrides import parse_overrides

    changes = parse_overrides(overrides)
    if set(changes) != {"pairs"} or not isinstance(changes["pairs"], Mapping):
        raise InputError(
            "only settings of pairs can be changed without a model",
            expected="settings of pairs, such as --set pairs.rule=best_vs_second",
            found=", ".join(overrides),
            remedy="for other settings, add an experiment to the recipe and run it",
        )
    reference = _parse_source(source)
    first = read_slice(lake, reference).pairs
    iterations = first["iteration"].unique().sort().to_list()
    made = pair_again(lake, reference.experiment, iterations, name, changes["pairs"])
    second = read_slice(lake, reference._replace(experiment=name)).pairs
    tables = {
        f"DPO pairs of {name} against those of {source}": count_pair_changes(first, second),
        "Means": summarise_pairs({source: first, name: second}),
    }
    for title, table in tables.items():
        typer.echo(title)
        print_table(table)
        typer.echo()
    dropped = sum(one.dropped.height for one in made)
    typer.echo(f"{second.height} pairs of {name}, {dropped} prompts without one (dropped_pairs)")


def _parse_source(source: str) -> "Reference":
    """Parse the source; its rows are read as they are now, so a time is refused."""
    from transforms.lake.slices import parse_reference

    reference = parse_reference(source)
    if reference.moment is not None:
        raise InputError(
            "what-if cannot read an older version",
            expected="experiment, or experiment/iteration",
            found=source,
            remedy=f"remove @{reference.moment}",
        )
    return reference


def _sample(
    lake: "Lake",
    source: str,
    responses_per_round: int | None,
    enough_margin: float | None,
    least_growth: float | None,
) -> None:
    """Replay adaptive n; print saved tokens, changed pairs, and why prompts stopped."""
    import polars as pl
    from pydantic import ValidationError

    from assets.cli.console import print_table
    from transforms.lake.records import materializations
    from transforms.lake.slices import read_slice
    from transforms.measures.adaptive_replay import replay
    from transforms.pairs.responses import read_with_rewards
    from transforms.settings.pairs import AdaptiveSettings, PairSettings
    from transforms.settings.validation_errors import convert_validation_error

    try:
        rule = AdaptiveSettings(
            round=responses_per_round, enough_margin=enough_margin, least_growth=least_growth
        )
    except ValidationError as error:
        raise convert_validation_error(
            error, "a rule of adaptive n is refused", model=AdaptiveSettings
        ) from None
    reference = _parse_source(source)
    experiment, found = reference.experiment, read_slice(lake, reference)
    recorded = materializations.read_latest(lake)
    tables = []
    for iteration in found.pairs["iteration"].unique().sort():
        made = recorded.get((iteration_asset(iteration, "dpo_pairs"), experiment))
        rows = read_with_rewards(lake, experiment=experiment, iteration=iteration)
        if made is not None and rows.height:
            settings = PairSettings.model_validate(json.loads(made["settings"])["pairs"])
            tables.append(replay(rows, rule, settings))
    if not tables:
        raise InputError(
            f"{source} has no iteration whose sampling can be replayed",
            expected="an iteration with responses of this experiment and with pairs of them",
            found=f"{found.generations.height} responses, {found.pairs.height} pairs",
            remedy="name the experiment that sampled the responses, after a run has paired them",
        )
    for table in tables:
        (row,) = table.to_dicts()
        typer.echo(
            f"iteration {row['iteration']}: {row['prompts']} prompts,"
            f" {row['adaptive_responses'] / row['prompts']:.2f} of {row['n']} responses each,"
            f" {row['tokens_saved']:.1%} of {row['tokens']} tokens saved;"
            f" mean margin {row['adaptive_margin']:.3f} instead of {row['margin']:.3f}"
        )
    counts = ["iteration", "enough_margin", "no_growth", "n_reached", "first_pairs"]
    counts += ["unchanged", "other_chosen", "other_rejected", "other_both", "removed", "added"]
    typer.echo("\nPrompts by the reason of their stop; pairs compared with those of the fixed n")
    print_table(pl.concat(tables).select(counts))
