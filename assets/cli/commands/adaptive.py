"""The command `prefloop adaptive`: what adaptive n would have saved of stored responses."""

import json
from typing import Annotated

import typer
from pydantic import ValidationError

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake

EXAMPLES = """
Examples:

\b
prefloop adaptive iterative --round 2 --enough-margin 3
prefloop adaptive iterative/2 --round 2 --least-growth 0.1
"""


def adaptive(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="experiment, or experiment/iteration.")
    ],
    responses_a_round: Annotated[int, typer.Option("--round", help="Responses a round.")],
    enough_margin: Annotated[
        float | None, typer.Option(help="A prompt is settled at this margin, reward units.")
    ] = None,
    least_growth: Annotated[
        float | None,
        typer.Option(help="Or once a round has widened its margin by no more than this."),
    ] = None,
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Replay adaptive n on responses of a fixed n: tokens saved, pairs changed. No model runs.

    The same keys below `loop.sampling.adaptive` make an experiment sample so.
    """
    import polars as pl

    from assets.cli.console import print_table
    from transforms.lake.records import materializations
    from transforms.lake.slices import parse_reference, read_slice
    from transforms.measures.adaptive_replay import replay
    from transforms.pairs.responses import with_rewards
    from transforms.settings.pairs import AdaptiveSettings, PairSettings
    from transforms.settings.refusals import refusal

    with explained():
        lake = open_lake(home)
        try:
            rule = AdaptiveSettings(
                round=responses_a_round, enough_margin=enough_margin, least_growth=least_growth
            )
        except ValidationError as error:
            raise refusal(
                error, "a rule of adaptive n is refused", model=AdaptiveSettings
            ) from None
        reference = parse_reference(source)
        pairs = read_slice(lake, reference).pairs
        recorded = materializations.latest(lake)
        tables = []
        for iteration in pairs["iteration"].unique().sort():
            made = recorded[f"iteration_{iteration}/dpo_pairs", reference.experiment]
            settings = PairSettings.model_validate(json.loads(made["settings"])["pairs"])
            rows = with_rewards(lake, experiment=reference.experiment, iteration=iteration)
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
