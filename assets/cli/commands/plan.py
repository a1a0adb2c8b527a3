"""The command `prefloop plan`: predicted costs of a recipe, and measured ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assets.cli.options import Home, Overrides, RecipePath, exit_on_bad_input
from assets.home import default_home, open_lake

if TYPE_CHECKING:
    import polars as pl

EXAMPLES = """
Examples:

\b
prefloop plan recipes/llama3_8b.yaml      # tokens and disk
prefloop plan recipes/quickstart.yaml     # also seconds, after a run
prefloop plan recipes/quickstart.yaml --set loop.sampling.n=16
prefloop plan my_recipe.yaml --rates dagster_home/quickstart
"""


def plan(
    recipe: RecipePath,
    rates: Annotated[
        Path | None,
        typer.Option(help="Folder of a study with measured costs; its own by default."),
    ] = None,
    home: Home = None,
    overrides: Overrides = None,
) -> None:
    """Predict tokens, disk and seconds of a run; compare with the costs of a finished run."""
    import polars as pl

    from assets.cli.console import print_table
    from assets.cli.model_checks import check_local_models
    from assets.cli.plan import count_known_rows, count_weights, plan_work
    from training.recipe_file import load_recipe
    from transforms.lake.lake import Lake
    from transforms.lake.records.costs import read_costs
    from transforms.lake.records.predicted_costs import add_actual_costs, predict_costs

    with exit_on_bad_input():
        study = load_recipe(recipe, overrides or [])
        check_local_models(study)
        own = Lake((home or default_home(study.name)) / "lake")
        measured = read_costs(own if rates is None else open_lake(rates))
        actual = read_costs(own)
        work = plan_work(study, count_known_rows(study, own), count_weights(study.model))
        predicted = predict_costs(work, measured)
    print_table(add_actual_costs(predicted, actual) if actual.height else predicted)
    totals = predicted.select(pl.col("tokens", "bytes", "elapsed_s").sum()).row(0, named=True)
    seconds = f", {totals['elapsed_s']:,.0f} s" if totals["elapsed_s"] else ""
    typer.echo(
        f"\ntotal: {totals['tokens']:,} tokens, {totals['bytes'] / 1e6:,.1f} MB of disk{seconds}"
    )
    for note in _list_notes(predicted, measured.height > 0):
        typer.echo(f"- {note}")


def _list_notes(predicted: "pl.DataFrame", is_measured: bool) -> list[str]:
    """Return notes about the source of the figures, and about missing figures."""
    unknown = predicted.filter(predicted["bytes"].is_null() | predicted["tokens"].is_null())
    trained = unknown.filter(~unknown["asset"].str.contains("scores|dpo_pairs|initial_model"))
    notes = []
    if not is_measured:
        notes.append("there are no measured seconds: add --rates, or run a smaller study first")
        notes.append("tokens and disk are upper bounds, with max_tokens in every response")
    else:
        notes.append(
            "seconds, tokens and bytes per row are means of a lake and include the start of engines"
        )
    if trained.height:
        names = ", ".join(trained["asset"].unique(maintain_order=True).head(4))
        notes.append(f"not in the total, because sources or model are not yet local: {names}")
    unmeasured = predicted.filter(predicted["elapsed_s"].is_null())
    if is_measured and unmeasured.height:
        names = ", ".join(unmeasured["asset"].unique(maintain_order=True).head(4))
        notes.append(f"not in the seconds, because not measured: {names}")
    return notes
