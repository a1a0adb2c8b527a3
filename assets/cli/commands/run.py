"""The command `prefloop run`: materialize what is missing or out of date of a recipe."""

from typing import Annotated

import typer

from assets.cli.options import Home, Overrides, RecipePath, explained

EXAMPLES = """
Examples:

\b
prefloop run recipes/quickstart.yaml
prefloop run recipes/quickstart.yaml --experiment concise --from-iteration 2
prefloop run recipes/quickstart.yaml --set loop.dpo.beta=0.05
prefloop run recipes/real_sources.yaml --until mixture_pairs
"""


def run(
    recipe: RecipePath,
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="Experiment to run; repeat for several. All by default."),
    ] = None,
    from_iteration: Annotated[
        int | None,
        typer.Option(
            help="Run this iteration and all later ones again, even where nothing changed."
        ),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            help="Stop at this asset: run it and what it needs, print it if it is a report."
        ),
    ] = None,
    home: Home = None,
    overrides: Overrides = None,
) -> None:
    """Materialize what is missing or out of date: data, models, iterations, evaluation, reports."""
    from assets.cli.run import run_study

    with explained():
        run_study(recipe, experiment or [], from_iteration, until or [], home, overrides or [])
