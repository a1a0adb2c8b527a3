"""The command `prefloop benchmark`: measure a checkpoint of the lake on benchmarks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assets.cli.options import QUICKSTART_HOME, LakeHome, explained
from assets.home import open_lake
from transforms.errors import InputError

EXAMPLES = """
Examples:

\b
prefloop benchmark 2fac4e5480 --recipe recipes/study.yaml               # all of the recipe's
prefloop benchmark 2fac4e5480 gsm8k mmlu --recipe recipes/study.yaml --set limit=20
prefloop benchmark 2fac4e5480 gsm8k --file test=gsm8k_test.jsonl.gz --set engine=transformers
prefloop sql "from benchmark_results where subset = 'all'"
"""


def benchmark(
    checkpoint: Annotated[
        str, typer.Argument(help="Checkpoint id, or the first 6 of its digits or more.")
    ],
    names: Annotated[
        list[str] | None, typer.Argument(help="Benchmarks; the recipe's, all by default.")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe whose benchmarks, dtype and engine are taken.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(help="part=path of the data of the one benchmark that is named."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting of the named benchmarks, e.g. --set limit=20."),
    ] = None,
    dtype: Annotated[str, typer.Option(help="float32 | bfloat16, without a recipe.")] = "bfloat16",
    home: LakeHome = QUICKSTART_HOME,
) -> None:
    """Measure a checkpoint on benchmarks; answers that the lake has are reused.

    Answers and figures go to the tables `benchmark_answers` and `benchmark_results`, under the name
    of the checkpoint's asset; under `<asset>@<id>` where a newer checkpoint has replaced it.
    """
    from assets.cli.console import print_table, quiet_teardown
    from assets.evaluation.benchmark_runs import measure
    from training.benchmarks.benchmark import open_benchmark
    from training.recipe_file import load_recipe
    from training.settings.benchmarks import read_benchmark
    from training.settings.sampling import SamplingSettings
    from transforms.benchmarks.policies import find_policy
    from transforms.benchmarks.results import ALL
    from transforms.identity import derive_seed
    from transforms.settings.overrides import merge, parse_overrides

    with explained():
        quiet_teardown()
        lake = open_lake(home)
        measured, policy = find_policy(lake, checkpoint)
        study = load_recipe(recipe) if recipe else None
        known = study.benchmarks if study else {}
        names = names or list(known)
        if not names:
            raise InputError(
                "no benchmark is named",
                expected="names, with --file for their data, or a --recipe that has benchmarks",
                found="neither",
                remedy="for example prefloop benchmark ID gsm8k --file test=gsm8k_test.jsonl.gz",
            )
        files = _files(file or [], names)
        for name in names:
            base = known[name].model_dump() if name in known else {"benchmark": name}
            chosen = merge(base, parse_overrides(settings or []))
            chosen["data"] = {**chosen.get("data", {}), **files}
            opened = open_benchmark(
                read_benchmark(name, chosen),
                study.loop.sampling if study else SamplingSettings(),
                study.judge if study else None,
                seed=derive_seed(study.seed if study else 0, "evaluation"),
                dtype=study.model.dtype if study else dtype,
            )
            rows = measure(lake, measured, policy, name, opened, typer.echo)
            print_table(
                rows.filter(subset=ALL).select(
                    "benchmark",
                    "model",
                    "metric",
                    "value",
                    "standard_error",
                    "low",
                    "high",
                    "items",
                    "unscored_items",
                )
            )


def _files(words: Sequence[str], names: Sequence[str]) -> dict[str, Any]:
    if words and len(names) != 1:
        raise InputError(
            "files belong to one benchmark",
            expected="one name beside --file",
            found=", ".join(names) or "none",
            remedy="name the benchmark whose files these are",
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
