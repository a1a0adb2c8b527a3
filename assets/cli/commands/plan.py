"""The command `prefloop plan`: predicted costs of a recipe, beside measured ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assets.cli.options import Home, Overrides, RecipePath, explained
from assets.home import default_home, open_lake

if TYPE_CHECKING:
    import polars as pl

EXAMPLES = """
Examples:

\b
prefloop plan recipes/llama3_8b.yaml      # tokens and disk
prefloop plan recipes/quickstart.yaml     # and seconds, once it has run
prefloop plan recipes/quickstart.yaml --set loop.sampling.n=16
prefloop plan my_recipe.yaml --rates dagster_home/quickstart
"""


def plan(
    recipe: RecipePath,
    rates: Annotated[
        Path | None,
        typer.Option(help="Folder of a study whose lake has measured seconds; its own by default."),
    ] = None,
    home: Home = None,
    overrides: Overrides = None,
) -> None:
    """Predict tokens, disk and seconds of a run, beside what a finished run took."""
    import polars as pl

    from assets.cli.console import print_table
    from assets.cli.plan import count_weights, known_sizes, planned_work
    from training.recipe_file import load_recipe
    from transforms.lake.lake import Lake
    from transforms.lake.records.costs import read_costs
    from transforms.lake.records.predicted_costs import add_actual_costs, predict_costs

    with explained():
        study = load_recipe(recipe, overrides or [])
        own = Lake((home or default_home(study.name)) / "lake")
        measured = read_costs(own if rates is None else open_lake(rates))
        happened = read_costs(own)
        work = planned_work(study, known_sizes(study, own), count_weights(study.model))
        predicted = predict_costs(work, measured)
    print_table(add_actual_costs(predicted, happened) if happened.height else predicted)
    totals = predicted.select(pl.col("tokens", "bytes", "elapsed_s").sum()).row(0, named=True)
    seconds = f", {totals['elapsed_s']:,.0f} s" if totals["elapsed_s"] else ""
    typer.echo(
        f"\nin all {totals['tokens']:,} tokens, {totals['bytes'] / 1e6:,.1f} MB of disk{seconds}"
    )
    for note in _notes(predicted, measured.height > 0):
        typer.echo(f"- {note}")


def _notes(predicted: "pl.DataFrame", is_measured: bool) -> list[str]:
    """Say what the figures rest on, and what is missing in them."""
    unknown = predicted.filter(predicted["bytes"].is_null() | predicted["tokens"].is_null())
    trained = unknown.filter(~unknown["asset"].str.contains("scores|dpo_pairs|initial_model"))
    notes = []
    if not is_measured:
        notes.append(
            "no lake has measured seconds: name one with --rates, or run a smaller study first"
        )
        notes.append("tokens and disk are upper bounds: every response as long as max_tokens")
    else:
        notes.append(
            "seconds, tokens and bytes per row are a lake's means, the start of engines included"
        )
    if trained.height:
        names = ", ".join(trained["asset"].unique(maintain_order=True).head(4))
        notes.append(f"not in the sum, before the sources or the model are here: {names}")
    unmeasured = predicted.filter(predicted["elapsed_s"].is_null())
    if is_measured and unmeasured.height:
        names = ", ".join(unmeasured["asset"].unique(maintain_order=True).head(4))
        notes.append(f"not measured, so not in the seconds: {names}")
    return notes
