"""The run of a recipe in one process: stale assets, one Dagster run per experiment, results.

With one process for a whole run, torch, vLLM and TRL are imported once. A run of the Dagster UI
is one process, too (`assets.run_locks`).
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import dagster as dg
import typer
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._utils.interrupts import capture_interrupts
from filelock import FileLock

from assets.cli.console import print_table
from assets.cli.model_checks import (
    check_devices,
    check_local_models,
    check_named_models,
    check_software,
    check_source_files,
)
from assets.cli.study_run.check_results import failed_check_error, list_unmet, print_concerns
from assets.cli.study_run.origin import add_origin
from assets.cli.study_run.progress import divert_output, print_last_lines, show_progress
from assets.cli.study_run.result import print_result
from assets.graph import build_definitions
from assets.home import default_home, place_lake, prepare_home
from assets.logger import CONSOLE
from assets.materialize import PLANNED
from assets.run_locks import LOCK, RUNS, UNFINISHED, lock_run, release_dead_runs
from assets.staleness import list_upstream, name_of, stale_assets
from training.recipe import Recipe
from training.recipe_file import load_recipe
from transforms.errors import InputError
from transforms.lake.asset_names import iteration_asset
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.records.costs import read_costs
from transforms.lake.records.expected_times import expect_seconds
from transforms.teardown import quiet_teardown
from transforms.unknown_names import refuse_unknown
from transforms.views.query import run_report
from transforms.views.statements import list_reports

JOB = "whole_loop"
"""The job whose runs materialize stale assets."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of its signal."""


def run_study(
    path: Path,
    experiments: list[str],
    from_iteration: int | None,
    until: list[str],
    home: Path | None,
    lake_place: str | None,
    overrides: list[str],
    *,
    dry: bool = False,
) -> None:
    """Run a recipe's experiments one after the other and print the result.

    Args:
        path: the recipe.
        experiments: names of experiments; an empty list runs all.
        from_iteration: the first iteration to run again, although nothing changed.
        until: assets to stop at: only they and their upstream assets are run. An empty list runs
            all assets.
        home: folder of the lake and the run history; None for the default.
        lake_place: folder or address of the lake; None for the folder `lake` of the home.
        overrides: settings of the recipe to override, as `key.key=value`.
        dry: whether the assets are only listed.

    Raises:
        InputError: the recipe or a local model is refused, a file of a source or a package that
            the recipe needs is missing, or there is no such experiment, iteration or asset.
    """
    recipe = load_recipe(path, overrides)
    experiments = _require_experiments(recipe, experiments)
    forced = _list_forced(recipe, from_iteration)
    check_local_models(recipe)
    check_software(recipe)
    check_devices(recipe)
    quiet_teardown()
    home = (home or default_home(recipe.name)).expanduser().resolve()
    lake = Lake(place_lake(home, lake_place))
    definitions = build_definitions(recipe, lake.root)
    wanted = {name: _list_needed(definitions, until, name) for name in experiments}
    started = time.monotonic()
    stale = {
        name: _find_stale(definitions, lake, name, forced, wanted[name]) for name in experiments
    }
    check_source_files(recipe, set().union(*stale.values()))
    check_named_models(recipe, stale)
    if dry or not any(stale.values()):
        for experiment, assets in stale.items():
            _print_stale(experiment, assets)
    if dry:
        return
    prepare_home(home)
    if any(stale.values()):
        _run_experiments(definitions, lake, experiments, forced, wanted, home)
    CONSOLE.print(f"{', '.join(experiments)}: done in {time.monotonic() - started:.0f} s\n")
    if until:
        _show_reports(lake, until)
    else:
        print_result(lake, home, path)


def print_other_runs(instance: dg.DagsterInstance) -> None:
    """Print the unfinished runs of the study: this one may wait for them in silence."""
    if others := instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        ids = ", ".join(run.run_id.partition("-")[0] for run in others)
        CONSOLE.print(
            f"[yellow]unfinished runs of this study: {ids}[/yellow]. Models are trained and sampled"
            " in one run at a time; this run waits where it has to. `prefloop ui` shows them.",
            highlight=False,
        )


def _run_experiments(
    definitions: dg.Definitions,
    lake: Lake,
    experiments: list[str],
    forced: list[str],
    wanted: Mapping[str, set[str]],
    home: Path,
) -> None:
    os.environ["DAGSTER_HOME"] = str(home)
    # The first use of a home creates its databases; two processes must not do so at the same time.
    with FileLock(home / "instance.lock"), dg.DagsterInstance.get() as instance:
        release_dead_runs(instance, home)
    with dg.DagsterInstance.get() as instance, lock_run(home) as lock:
        add_origin(instance, JOB)
        for experiment in experiments:
            _run_experiment(
                definitions, instance, lake, experiment, forced, wanted[experiment], lock
            )


def _run_experiment(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    lake: Lake,
    experiment: str,
    forced: list[str],
    wanted: set[str],
    lock: str,
) -> None:
    planned = materializations.read_version(lake)
    stale = _find_stale(definitions, lake, experiment, forced, wanted)
    _print_stale(experiment, stale)
    if not stale:
        return
    print_other_runs(instance)
    run_id = str(uuid4())
    log = Path(instance.root_directory) / RUNS / f"{run_id}.log"
    CONSOLE.print(f"output of libraries: {log}", highlight=False, soft_wrap=True)
    expected = expect_seconds(read_costs(lake), stale, experiment)
    try:
        # Ctrl-C between two steps waits for the next one; raised at any place, it could be lost in
        # a callback of the garbage collection, whose errors Python ignores
        with capture_interrupts(), divert_output(log), show_progress(stale, expected):
            definitions.resolve_job_def(JOB).execute_in_process(
                instance=instance,
                partition_key=experiment,
                run_config={"loggers": {"console": {}}},
                # the daemon of a team would go on with its own recipe and settings
                tags={LOCK: lock, PLANNED: str(planned), MAX_RETRIES_TAG: "0"},
                asset_selection=[dg.AssetKey(name.split("/")) for name in stale],
                raise_on_error=True,
                run_id=run_id,
            )
    except DagsterAssetCheckFailedError:
        raise failed_check_error(experiment, list_unmet(instance, run_id)) from None
    except dg.DagsterExecutionInterruptedError:
        CONSOLE.print(f"{experiment}: interrupted; the same command goes on", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    except InputError:
        raise
    except Exception:
        print_last_lines(log)
        raise
    print_concerns(experiment, list_unmet(instance, run_id))


def _find_stale(
    definitions: dg.Definitions, lake: Lake, experiment: str, forced: list[str], wanted: set[str]
) -> dict[str, str]:
    """Return the assets that a run of an experiment materializes with the reasons, in order."""
    stale = stale_assets(definitions, lake, experiment, forced)
    return {name: reason for name, reason in stale.items() if name in wanted}


def _print_stale(experiment: str, stale: Mapping[str, str]) -> None:
    if not stale:
        CONSOLE.print(f"{experiment}: nothing to do, every asset is up to date")
        return
    CONSOLE.print(f"[bold]{experiment}[/bold]: {len(stale)} assets to materialize")
    for name, reason in stale.items():
        CONSOLE.print(f"  {name}  [dim]{reason}[/dim]", highlight=False)


def _list_needed(definitions: dg.Definitions, until: list[str], experiment: str) -> set[str]:
    """Return some assets and all that they need for an experiment; all assets if none is given."""
    graph = definitions.resolve_asset_graph()
    known = {name_of(key): key for key in graph.get_all_asset_keys()}
    if unknown := [name for name in until if name not in known]:
        raise refuse_unknown("asset", unknown, sorted(known), "choose one of them")
    if not until:
        return set(known)
    needed, due = set(), list(until)
    while due:
        name = due.pop()
        if name not in needed:
            needed.add(name)
            due += list_upstream(graph.get(known[name]), experiment)
    return needed


def _require_experiments(recipe: Recipe, wanted: list[str]) -> list[str]:
    unknown = [name for name in wanted if name not in recipe.experiments]
    if unknown:
        remedy = "choose one of them, or add it to `experiments` of the recipe"
        raise refuse_unknown("experiment", unknown, recipe.experiments, remedy)
    return wanted or list(recipe.experiments)


def _list_forced(recipe: Recipe, from_iteration: int | None) -> list[str]:
    if from_iteration is None:
        return []
    if not 1 <= from_iteration <= recipe.loop.iterations:
        raise InputError(
            "no such iteration",
            expected=f"1 ... {recipe.loop.iterations}",
            found=str(from_iteration),
            remedy="choose an iteration of the recipe's loop",
        )
    feedback = ("label_queue", "preference_labels", "reward_model")  # only with feedback
    nouns = ("generations", *feedback, "scores", "dpo_pairs", "policy")
    return [
        iteration_asset(t, noun)
        for t in range(from_iteration, recipe.loop.iterations + 1)
        for noun in nouns
    ]


def _show_reports(lake: Lake, names: list[str]) -> None:
    for name in names:
        if name in list_reports():
            CONSOLE.print(f"[bold]{name}[/bold]")
            print_table(run_report(lake, name))
