"""The command `prefloop benchmark`: measure a checkpoint of the lake on benchmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assets.cli.commands.models.options import ModelName
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError

if TYPE_CHECKING:
    from training.benchmarks.benchmark import Benchmark
    from training.recipe import Recipe
    from training.settings.benchmarks import AnyBenchmark

EXAMPLES = """
Examples:

\b
prefloop benchmark iterative/2 --recipe recipes/study.yaml
prefloop benchmark 2fac4e gsm8k --recipe recipes/study.yaml --set limit=20
prefloop benchmark 2fac4e gsm8k --file test=gsm8k_test.jsonl.gz
prefloop sql "from benchmark_results where subset = 'all'"
"""


SHOWN = (
    *("benchmark", "model", "metric", "value", "standard_error"),
    *("low", "high", "items", "unscored_items", "note"),
)
"""Columns of `benchmark_results` that are printed."""


def benchmark(
    checkpoint: ModelName,
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of benchmarks; by default all of the recipe.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe with the benchmarks, dtype and engine.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(help="Data file of the one named benchmark, as part=path."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Override a setting of the benchmarks, e.g. --set limit=20."),
    ] = None,
    dtype: Annotated[
        Literal["float32", "bfloat16"],
        typer.Option(help="Type of the computation, without a recipe."),
    ] = "bfloat16",
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Measure a checkpoint on benchmarks; answers in the lake are reused.

    Answers and results are written to the tables `benchmark_answers` and
    `benchmark_results`. Their column `model` is the checkpoint's asset, or
    `<asset>@<id>` if the asset has a newer checkpoint.
    """
    from assets.cli.console import print_table
    from assets.evaluation.benchmark_runs import measure
    from training.recipe_file import load_recipe
    from training.settings.benchmarks import read_benchmark
    from transforms.benchmarks.policies import find_measured_policy
    from transforms.benchmarks.results import ALL
    from transforms.settings.commits import DEFAULT_COMMITS
    from transforms.settings.overrides import merge, parse_overrides
    from transforms.teardown import quiet_teardown

    with exit_on_bad_input():
        quiet_teardown()
        lake = open_lake(home)
        measured, policy = find_measured_policy(lake, checkpoint)
        study = load_recipe(recipe) if recipe else None
        known = study.benchmarks if study else {}
        names = names or list(known)
        if not names:
            raise InputError(
                "no benchmark to measure",
                expected="a name, with --file for its data, or a --recipe with benchmarks",
                found="no name and no recipe with benchmarks",
                remedy="for example prefloop benchmark ID gsm8k --file test=gsm8k_test.jsonl.gz",
            )
        files = _parse_files(file or [], names)
        for name in names:
            base = known[name].model_dump() if name in known else {"benchmark": name}
            chosen = merge(base, parse_overrides(settings or []))
            chosen["data"] = {**chosen.get("data", {}), **files}
            opened = _open(read_benchmark(name, chosen), study, dtype)
            commits = study.commits if study else DEFAULT_COMMITS
            rows = measure(lake, measured, policy, name, opened, typer.echo, commits)
            print_table(rows.filter(subset=ALL).select(SHOWN))


def _open(settings: "AnyBenchmark", study: "Recipe | None", dtype: str) -> "Benchmark":
    """Open a benchmark with the engine and the judge of a recipe, or with the defaults.

    Args:
        settings: settings of the benchmark.
        study: the recipe.
        dtype: compute type without a recipe.
    """
    from training.benchmarks.benchmark import open_benchmark
    from training.settings.sampling import SamplingSettings
    from transforms.identity import derive_seed

    if study is None:
        seed = derive_seed(0, "evaluation")
        return open_benchmark(settings, SamplingSettings(), None, seed=seed, dtype=dtype)
    return open_benchmark(
        settings,
        study.loop.sampling,
        study.resolve_judge(),
        seed=derive_seed(study.seed, "evaluation"),
        dtype=study.model.dtype,
        devices=study.devices,
    )


def _parse_files(words: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    if words and len(names) != 1:
        raise InputError(
            "--file needs one benchmark",
            expected="one name with --file",
            found=", ".join(names) or "none",
            remedy="measure the benchmarks one by one",
        )
    parts: dict[str, Any] = {}
    for word in words:
        part, equals, path = word.partition("=")
        if not part or not equals:
            raise InputError(
                "--file cannot be read",
                expected="part=path",
                found=word,
                remedy="for example --file test=gsm8k_test.jsonl.gz",
            )
        parts[part] = {"files": [str(Path(path).resolve())]}
    return parts
