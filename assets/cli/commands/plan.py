"""The command `prefloop plan`: what a recipe will need, before it runs."""

from typing import Annotated

import typer

from assets.cli.options import Home, LakePlace, Overrides, RecipePath, exit_on_bad_input
from assets.home import default_home, open_lake, place_lake

EXAMPLES = """
Examples:

\b
prefloop plan recipes/llama3_8b.yaml
prefloop plan recipes/llama3_8b.yaml --gpu a100-80gb --price-per-gpu-hour 2
prefloop plan recipes/quickstart.yaml     # after a run also measured seconds
prefloop plan recipes/quickstart.yaml --set loop.sampling.n=16
prefloop plan my_recipe.yaml --rates dagster_home/quickstart
"""

MISFIT = 1
"""Exit status if a stage does not fit into the memory of its GPUs."""


def plan(
    recipe: RecipePath,
    gpu: Annotated[
        str | None,
        typer.Option(help="GPU for hours and memory, e.g. h100-80gb; the recipe's plan.gpu."),
    ] = None,
    price_per_gpu_hour: Annotated[
        float | None, typer.Option(min=0, help="Price of a GPU-hour, in any currency.")
    ] = None,
    rates: Annotated[
        str | None,
        typer.Option(help="Study or lake with measured costs; its own by default."),
    ] = None,
    home: Home = None,
    lake: LakePlace = None,
    overrides: Overrides = None,
) -> None:
    """Predict tokens, GPU-hours, memory and disk of a run; compare with a finished run.

    Nothing is downloaded and nothing runs. The exit status is 1 if a stage does not fit into the
    memory of its GPUs.
    """
    from assets.cli.console import print_table
    from assets.cli.model_checks import check_local_models
    from assets.cli.plan import list_notes, list_totals, print_numbers, show_memory, show_work
    from training.planning import summary
    from training.planning.plan import make_plan
    from training.recipe_file import load_recipe
    from transforms.formats import format_quantity
    from transforms.lake.lake import Lake
    from transforms.lake.records.costs import read_costs
    from transforms.lake.records.predicted_costs import add_actual_costs, predict_costs

    with exit_on_bad_input():
        study = load_recipe(recipe, [*(overrides or []), *([f"plan.gpu={gpu}"] if gpu else [])])
        check_local_models(study)
        own = Lake(place_lake(home or default_home(study.name), lake))
        measured = read_costs(own if rates is None else open_lake(rates))
        made = make_plan(study, own)
    actual = read_costs(own)
    predicted = predict_costs(made.tabulate(), measured)
    totals = summary.compute_totals(predicted)
    memory, name = made.tabulate_memory(), study.plan.gpu
    rented = summary.count_gpus(made.works) if name else 0
    weights = format_quantity(made.size.weights.value)
    on = f", on {rented} x {name}" if name else ""
    model = study.model.path or study.model.gguf or "tiny model"
    typer.echo(f"{study.name}: {model}, {weights} weights{on}\n")
    for by in ("experiment", "stage"):
        print_numbers(show_work(summary.sum_work(predicted, by), price_per_gpu_hour, rented))
    compared = add_actual_costs(predicted, actual)
    if (happened := compared.filter(compared["actual_elapsed_s"].is_not_null())).height:
        print_table(happened)
        typer.echo()
    if memory.height:
        print_numbers(show_memory(memory))
    for row in summary.tabulate_facts(made.facts).iter_rows(named=True):
        typer.echo(f"{row['origin']:<9}  {row['number']}: {row['value']} ({row['source']})")
    typer.echo()
    for line in list_totals(totals, memory, price_per_gpu_hour, rented):
        typer.echo(line)
    for note in list_notes(predicted, gpu=name, is_measured=measured.height > 0):
        typer.echo(f"- {note}")
    for one in made.unplanned:
        typer.echo(f"- not in the numbers: {one}")
    misfits = summary.list_misfits(memory)
    for line in misfits:
        typer.secho(f"prefloop: {line}", fg=typer.colors.RED, err=True)
    if misfits:
        raise typer.Exit(MISFIT)
