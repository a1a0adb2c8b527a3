"""The command `prefloop run`: materialize the missing and stale assets of a recipe."""

from typing import Annotated

import typer

from assets.cli.options import Home, LakePlace, Overrides, RecipePath, exit_on_bad_input

EXAMPLES = """
Examples:

\b
prefloop run recipes/quickstart.yaml
prefloop run recipes/quickstart.yaml --experiment raft_concise
prefloop run recipes/quickstart.yaml --dry-run
prefloop run recipes/quickstart.yaml --from-iteration 2
prefloop run recipes/quickstart.yaml --set loop.dpo.beta=0.05
prefloop run recipes/real_sources.yaml --until mixture_pairs
prefloop run recipes/quickstart.yaml --lake s3://bucket/quickstart
"""


def run(
    recipe: RecipePath,
    experiment: Annotated[
        list[str] | None,
        typer.Option(help="Experiment to run; repeatable. By default all."),
    ] = None,
    from_iteration: Annotated[
        int | None,
        typer.Option(help="Run this iteration and all later ones again, even if nothing changed."),
    ] = None,
    until: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only this asset and its upstream assets; print it if it is a report."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would run and why; make and write nothing."),
    ] = False,
    home: Home = None,
    lake: LakePlace = None,
    overrides: Overrides = None,
) -> None:
    """Materialize missing and out-of-date assets: data, models, iterations, evaluation, reports."""
    from assets.cli.study_run.run import run_study

    with exit_on_bad_input():
        names, until = experiment or [], until or []
        settings = overrides or []
        run_study(recipe, names, from_iteration, until, home, lake, settings, dry=dry_run)
