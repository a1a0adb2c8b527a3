"""The search of recipes/claim.yaml: arms of the loop and of the baselines, over seeds.

For every seed, in one study's folder: first the baselines with the settings of every arm that they
can have, then the recipe itself with all experiments. An experiment that changes `dpo` alone is
also an arm of offline DPO and of one-shot DPO; one that changes `pairs` or `ranker`, of one-shot
DPO. `max_steps` is that of an iteration, and one-shot DPO has as many as all iterations together.
Other arms, such as fresh labels, have no baseline. Reward models that no chosen arm needs are not
trained.

    python -m bench.claim --output runs/claim                     # development seeds 100 to 109
    python -m bench.claim --output runs/claim --seeds 100 --arms guarded --arms larger_beta

Finished parts are in `seed_<n>.csv`, one row per seed, experiment, model and decoding; the same
command goes on where it was stopped, and two commands with different seeds may run at once. It
prints the mean over seeds ± the standard error between them, one table per decoding, and as its
last line the same as JSON. Selected iterations stand for the loop. It uses as many threads as
OMP_NUM_THREADS allows.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from assets.cli.program import find_program
from assets.home import open_lake
from training.recipe import Recipe
from training.recipe_file import load_recipe
from training.settings.rankers import RANKER_KINDS, find_kind
from training.settings.rewards.checks import list_parts
from transforms.lake.asset_names import REPORTED_BASELINES
from transforms.lake.schemas.table import SHARED
from transforms.settings.overrides import flatten
from transforms.views.query import connect, report

RECIPE = Path(__file__).resolve().parent.parent / "recipes" / "claim.yaml"
SEEDS = tuple(range(100, 110))
OFFLINE_KEYS, ONE_SHOT_KEYS = {"dpo"}, {"dpo", "pairs", "ranker"}
"""Keys of an experiment's override that change the two baselines."""
OFFLINE, ONE_SHOT = "offline_dpo", "one_shot"
FIGURES = ("gold_reward", "reward", "response_chars", "response_tokens", "kl_to_initial")
COLUMNS = ("experiment", "model", "decoding", "selected", *FIGURES, *(f"{n}_se" for n in FIGURES))
"""Columns of the report `iteration_progress` that a row of the CSV file has."""


def find_baselines(override: Mapping[str, Any]) -> list[str]:
    """Return the baselines that an experiment's override of `loop` changes."""
    changed = set(override)
    if not changed or not changed <= ONE_SHOT_KEYS:
        return []
    return [OFFLINE, ONE_SHOT] if changed <= OFFLINE_KEYS else [ONE_SHOT]


def list_settings(override: Mapping[str, Any], iterations: int) -> list[str]:
    """Return an experiment's override as settings of the whole recipe, for the baselines."""
    steps = "dpo.max_steps"
    values = {key: v * iterations if key == steps else v for key, v in flatten(override)}
    return [f"loop.{key}={json.dumps(value)}" for key, value in values.items()]


def run(recipe: Path, home: Path, settings: Sequence[str], *options: str) -> None:
    """Run a study, or go on with it.

    Raises:
        CalledProcessError: the run failed; its output is on the terminal.
    """
    sets = [word for one in settings for word in ("--set", one)]
    command = [find_program(), "run", str(recipe), "--home", str(home)]
    subprocess.run([*command, *options, *sets], check=True)


def read_rows(home: Path) -> pl.DataFrame:
    """Read the rows of every model, the shared ones once."""
    with connect(open_lake(home)) as connection:
        rows = report(connection, "iteration_progress")
    shared = pl.col("model").is_in([*REPORTED_BASELINES])
    named = rows.with_columns(
        experiment=pl.when(shared).then(pl.lit(SHARED)).otherwise("experiment")
    )
    return named.unique(
        ["experiment", "model", "decoding"], keep="first", maintain_order=True
    ).select(COLUMNS)


def measure_seed(
    recipe_file: Path, recipe: Recipe, folder: Path, seed: int, settings: Sequence[str]
) -> Iterator[pl.DataFrame]:
    """Run the parts of a seed that its CSV file lacks; yield the rows of each."""
    file, home = folder / f"seed_{seed}.csv", folder / f"seed_{seed}"
    done = set(pl.read_csv(file)["experiment"]) if file.exists() else set()
    seeded = [*settings, f"seed={seed}", f"sample_task.seed={seed}"]
    for name, override in recipe.experiments.items():
        baselines, arm = find_baselines(override), f"{SHARED}/{name}"
        if not baselines or arm in done:
            continue
        changed = list_settings(override, recipe.loop.iterations)
        options = ("--until", "baseline_evaluation", "--experiment", name)
        run(recipe_file, home, [*seeded, *changed], *options)
        rows = read_rows(home).filter(pl.col("model").is_in(baselines), experiment=SHARED)
        yield rows.with_columns(experiment=pl.lit(arm), selected=pl.lit(True))
    missing = [name for name in recipe.experiments if name not in done]
    if missing:
        run(recipe_file, home, seeded, *(w for name in missing for w in ("--experiment", name)))
        rows = read_rows(home).filter(pl.col("experiment").is_in([SHARED, *missing]))
        kept = rows.filter((pl.col("experiment") != SHARED) | (SHARED not in done))
        yield kept.with_columns(selected=pl.col("selected") | (pl.col("experiment") == SHARED))


def average(rows: pl.DataFrame) -> pl.DataFrame:
    """Average the selected policies over seeds, with the standard error between seeds.

    Args:
        rows: rows of all seeds.

    Returns:
        experiment, model (of a baseline), decoding, seeds, and every figure with its error; the
        best gold reward of sampled responses first.
    """
    loop = ~pl.col("experiment").str.starts_with(SHARED)
    grouped = rows.filter("selected").with_columns(
        model=pl.when(loop).then(pl.lit("selected")).otherwise("model")
    )
    figures = [
        expression
        for name in FIGURES
        for expression in (
            pl.col(name).mean(),
            (pl.col(name).std() / pl.len().sqrt()).alias(f"{name}_se"),
        )
    ]
    found = grouped.group_by("experiment", "model", "decoding", maintain_order=True).agg(
        *figures, seeds=pl.len()
    )
    return found.sort("decoding", "gold_reward", "experiment", descending=[True, True, False])


def list_removed(recipe_file: Path, settings: Sequence[str], arms: Sequence[str]) -> list[str]:
    """Return settings that remove the other experiments, and the models that only they need.

    Args:
        recipe_file: the recipe.
        settings: overrides of it.
        arms: experiments that stay; empty: all.
    """
    known = load_recipe(recipe_file).experiments
    if unknown := sorted(set(arms) - set(known)):
        raise typer.BadParameter(f"no arm {unknown[0]}; the arms are {', '.join(known)}")
    removed = [f"experiments.{name}=null" for name in known if arms and name not in arms]
    recipe = load_recipe(recipe_file, (*settings, *removed))
    rankers = recipe.resolve_rankers()
    loops = recipe.list_loops()
    used = {*recipe.evaluation.rewards}
    for loop in loops:
        used |= {loop.ranker, find_kind(loop.ranker).name, *list_parts(rankers, loop.ranker)}
    used |= {part for name in used & set(rankers) for part in list_parts(rankers, name)}
    for kind in RANKER_KINDS:
        variants = getattr(recipe, kind.variants) if kind.variants else {}
        unused = [name for name in variants if f"{kind.name}_{name}" not in used]
        removed += [f"{kind.variants}.{name}=null" for name in unused]
        if variants and len(unused) == len(variants) and kind.name not in used:
            removed.append(f"{kind.name}=null")
    return removed


def format_table(means: pl.DataFrame) -> str:
    """Format rows of `average` for a terminal: one column per figure, with its error."""
    figures = [
        pl.format(
            "{} ± {}", pl.col(name).round(3), pl.col(f"{name}_se").round(3).fill_null(float("nan"))
        ).alias(name)
        for name in FIGURES
    ]
    with pl.Config(
        tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=40,
        tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True,
    ):  # fmt: skip
        return str(means.select("experiment", "model", *figures, "seeds"))


def main(
    output: Annotated[Path, typer.Option(help="Folder of the studies and of the CSV files.")],
    seeds: Annotated[
        list[int] | None, typer.Option(help="Seeds of the study and its data; by default 100-109.")
    ] = None,
    arms: Annotated[
        list[str] | None, typer.Option(help="Experiments of the recipe; by default all.")
    ] = None,
    recipe_file: Annotated[Path, typer.Option("--recipe", help="The recipe.")] = RECIPE,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Override key.key=value of the recipe.")
    ] = None,
) -> None:
    """Run what is missing, and print the table."""
    seeds = seeds or [*SEEDS]
    overrides = [*(settings or []), *list_removed(recipe_file, settings or [], arms or [])]
    recipe = load_recipe(recipe_file, tuple(overrides))
    output.mkdir(parents=True, exist_ok=True)
    tables = []
    for seed in seeds:
        file = output / f"seed_{seed}.csv"
        for part in measure_seed(recipe_file, recipe, output, seed, overrides):
            rows = part.select(pl.lit(seed).alias("seed"), pl.all())
            earlier = [pl.read_csv(file, schema=rows.schema)] if file.exists() else []
            pl.concat([*earlier, rows]).write_csv(file)
        tables.append(pl.read_csv(file))
    means = average(pl.concat(tables, how="vertical_relaxed"))
    for (decoding,), part in means.group_by("decoding", maintain_order=True):
        print(f"{decoding}\n{format_table(part)}")
    print(json.dumps({"seeds": seeds, "arms": means.to_dicts(), "rows": str(output)}))


if __name__ == "__main__":
    typer.run(main)
