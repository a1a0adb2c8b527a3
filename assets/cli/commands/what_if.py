"""The command `prefloop what-if`: stored responses and scores, paired or sampled otherwise."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError
from transforms.lake.asset_names import iteration_asset

if TYPE_CHECKING:
    from transforms.lake.lake import Lake

EXAMPLES = """
Examples:

\b
prefloop what-if iterative --as second --set pairs.rule=best_vs_second
prefloop what-if iterative/1 --as wide --set pairs.rule=all_above_margin --set pairs.min_margin=2
prefloop what-if iterative --as short --set pairs.length_penalty=0.01
prefloop what-if iterative --round 2 --enough-margin 3
prefloop what-if iterative/2 --round 2 --least-growth 0.1
"""


def what_if(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="experiment, or experiment/iteration.")
    ],
    name: Annotated[
        str | None, typer.Option("--as", help="Name of the new experiment, with --set.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Pair by this setting of `pairs` instead of the source's: pairs.key=value.",
        ),
    ] = None,
    responses_per_round: Annotated[
        int | None, typer.Option("--round", help="Sample in rounds of so many responses.")
    ] = None,
    enough_margin: Annotated[
        float | None,
        typer.Option(
            help="With --round: a prompt gets no further round at this margin, reward units."
        ),
    ] = None,
    least_growth: Annotated[
        float | None,
        typer.Option(
            help="With --round: or once a round has widened its margin by no more than this."
        ),
    ] = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Pair stored responses by other settings, or sample them in rounds. No model runs.

    With --set: write the pairs as a new experiment, and compare them with the source's. To train on
    them, give the recipe an experiment of this name with the same settings below `pairs`, and run
    it: its first iteration reuses responses and scores, and makes the same pairs.

    With --round: replay adaptive n on responses of a fixed n: tokens saved, pairs changed. The same
    keys below `loop.sampling.adaptive` make an experiment sample so.
    """
    with explained():
        if (responses_per_round is None) == (not overrides) or bool(overrides) != bool(name):
            raise InputError(
                "one question at a time",
                expected="--as NAME with --set pairs.key=value, or --round N",
                found="neither" if responses_per_round is None and not overrides else "a mixture",
                remedy="see `prefloop what-if --help`",
            )
        if responses_per_round is None and (enough_margin, least_growth) != (None, None):
            raise InputError(
                "--enough-margin and --least-growth are rules of sampling in rounds",
                expected="--round N beside them",
                found="--set",
                remedy="leave them out, or ask for --round instead of --set",
            )
        lake = open_lake(home)
        if overrides and name:
            _pair(lake, source, name, overrides)
        else:
            _sample(lake, source, responses_per_round, enough_margin, least_growth)


def _pair(lake: "Lake", source: str, name: str, overrides: list[str]) -> None:
    """Write the pairs of other settings as a new experiment; print what changed."""
    from assets.cli.console import print_table
    from assets.loop.pairing import pair_again
    from transforms.lake.slices import parse_reference, read_slice
    from transforms.measures.slice_diff import count_pair_changes, summarise_pairs
    from transforms.settings.overrides import parse_overrides

    changes = parse_overrides(overrides)
    if set(changes) != {"pairs"}:
        raise InputError(
            "only pairs can be made again from what is stored",
            expected="settings below pairs, such as --set pairs.rule=best_vs_second",
            found=", ".join(sorted(changes)),
            remedy="other settings need a run: add an experiment to the recipe",
        )
    reference = parse_reference(source)
    if reference.moment is not None:
        raise InputError(
            "an older version cannot be paired again",
            expected="experiment, or experiment/iteration",
            found=source,
            remedy=f"leave @{reference.moment} out",
        )
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


def _sample(
    lake: "Lake",
    source: str,
    responses_per_round: int | None,
    enough_margin: float | None,
    least_growth: float | None,
) -> None:
    """Replay adaptive n; print tokens saved, pairs changed, and why prompts stopped."""
    import polars as pl
    from pydantic import ValidationError

    from assets.cli.console import print_table
    from transforms.lake.records import materializations
    from transforms.lake.slices import parse_reference, read_slice
    from transforms.measures.adaptive_replay import replay
    from transforms.pairs.responses import read_with_rewards
    from transforms.settings.pairs import AdaptiveSettings, PairSettings
    from transforms.settings.refusals import refusal

    try:
        rule = AdaptiveSettings(
            round=responses_per_round, enough_margin=enough_margin, least_growth=least_growth
        )
    except ValidationError as error:
        raise refusal(error, "a rule of adaptive n is refused", model=AdaptiveSettings) from None
    reference = parse_reference(source)
    pairs = read_slice(lake, reference).pairs
    recorded = materializations.read_latest(lake)
    tables = []
    for iteration in pairs["iteration"].unique().sort():
        made = recorded[iteration_asset(iteration, "dpo_pairs"), reference.experiment]
        settings = PairSettings.model_validate(json.loads(made["settings"])["pairs"])
        rows = read_with_rewards(lake, experiment=reference.experiment, iteration=iteration)
        tables.append(replay(rows, rule, settings))
    for table in tables:
        (row,) = table.to_dicts()
        typer.echo(
            f"iteration {row['iteration']}: {row['prompts']} prompts,"
            f" {row['adaptive_responses'] / row['prompts']:.2f} of {row['n']} responses each,"
            f" {row['tokens_saved']:.1%} of {row['tokens']} tokens saved;"
            f" mean margin {row['adaptive_margin']:.3f} for {row['margin']:.3f}"
        )
    counts = ["iteration", "enough_margin", "no_growth", "n_reached", "first_pairs"]
    counts += ["unchanged", "other_chosen", "other_rejected", "other_both", "removed", "added"]
    typer.echo("\nPrompts by why they stopped; pairs against those of the fixed n")
    print_table(pl.concat(tables).select(counts))
