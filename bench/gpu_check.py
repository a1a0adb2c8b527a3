"""Every stage on an NVIDIA GPU, against the same stage on the CPU in float32.

The command. Not here: models, worker processes, comparison and tables (`bench.gpu`). What is
compared, and how to run it without a package index: docs/measured/gpu.md. The last line is JSON.
The exit status is 1 if a stage failed, and 0 without a GPU.

    python bench/gpu_check.py
    python bench/gpu_check.py --stages dpo,generation --hidden 2048 --layers 16
"""

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # without a package index, the project is not installed

from bench.gpu.cases import SMALL, make_large_case, prepare  # noqa: E402
from bench.gpu.compare import Difference, compare, find_memory_problems, flatten_figures  # noqa: E402
from bench.gpu.report import print_tables, read_versions  # noqa: E402
from bench.gpu.stages import STAGES  # noqa: E402
from bench.gpu.workers import run_worker  # noqa: E402
from training.runs.command_line.run import run_command  # noqa: E402


def check_stage(stage: str, folder: Path, timeout_s: float) -> dict[str, Any]:
    """Run a stage on the GPU and on the CPU, and compare the results.

    Returns:
        outcome (`passed` or `failed`), differences, problems, and the GPU worker's figures.
    """
    dtypes = STAGES[stage].dtypes
    gpu = run_worker(stage, "gpu", SMALL, folder, dtypes, timeout_s)
    cpu = run_worker(stage, "cpu", SMALL, folder, ["float32"], timeout_s)
    reference = cpu["values"]["float32"]
    differences: list[Difference] = []
    for dtype in dtypes:
        if STAGES[stage].reference is None:
            zeros = {name: [0.0] * len(values) for name, values in reference.items()}
            differences += compare(dtype, reference, zeros)
        else:
            differences += compare(dtype, gpu["values"][dtype], reference)
    problems = [
        f"{d.quantity} in {d.dtype}: {d.difference:.3g} > {d.tolerance:g}"
        for d in differences
        if not d.within
    ]
    problems += find_memory_problems(gpu)
    return {
        "outcome": "failed" if problems else "passed",
        "problems": problems,
        "differences": [asdict(d) | {"within": d.within} for d in differences],
        **flatten_figures(gpu),
    }


def run_check(
    stages: Sequence[str], hidden: int, layers: int, folder: Path, timeout_s: float
) -> int:
    """Run the stages one after another, print the results, and return the exit status."""
    import torch

    facts: dict[str, Any] = {"bench": "gpu_check", "versions": read_versions()}
    if not torch.cuda.is_available():
        print("No NVIDIA GPU is visible here: nothing was checked.")
        print(json.dumps(facts | {"skipped": "no NVIDIA GPU", "passed": None}))
        return 0
    facts |= {"device": torch.cuda.get_device_name(0), "gpus": torch.cuda.device_count()}
    print(f"{facts['gpus']} x {facts['device']}; {facts['versions']}", flush=True)
    results: dict[str, dict[str, Any]] = {}

    def attempt(name: str, run: Callable[[], dict[str, Any]]) -> None:
        try:
            results[name] = run()
        except Exception as error:  # it is reported, and the exit status is 1
            results[name] = {"outcome": "failed", "problems": [str(error).splitlines()[0]]}
            print(f"{name} failed:\n{error}", flush=True)
        print(f"{name}: {results[name]['outcome']} {results[name].get('problems', '')}", flush=True)

    prepare(SMALL, folder / "small")
    for stage in stages:
        if STAGES[stage].gpus > facts["gpus"]:
            results[stage] = {"outcome": "skipped", "needs_gpus": STAGES[stage].gpus}
        else:
            attempt(stage, lambda stage=stage: check_stage(stage, folder / "small", timeout_s))
    if hidden:
        case, large = make_large_case(hidden, layers), folder / "large"
        prepare(case, large)
        facts["large"] = asdict(case)
        for stage in stages:
            if STAGES[stage].gpus <= facts["gpus"]:

                def measure(stage: str = stage) -> dict[str, Any]:
                    gpu = run_worker(stage, "gpu", case, large, ["bfloat16"], timeout_s)
                    problems = find_memory_problems(gpu)
                    outcome = "failed" if problems else "measured"
                    return {"outcome": outcome, "problems": problems, **flatten_figures(gpu)}

                attempt(f"{stage} (large)", measure)
    print_tables(results)
    passed = all(result["outcome"] != "failed" for result in results.values())
    print(json.dumps(facts | {"passed": passed, "stages": results}))
    return 0 if passed else 1


def main(
    stages: Annotated[str, typer.Option(help="Comma-separated: " + ", ".join(STAGES))] = ",".join(
        STAGES
    ),
    hidden: Annotated[
        int, typer.Option(help="Width of a second model that is only timed; a multiple of 64.")
    ] = 0,
    layers: Annotated[
        int, typer.Option(help="Layers of the second model; 2048 x 16 has about 1.2B weights.")
    ] = 16,
    timeout_s: Annotated[float, typer.Option(help="Longest run of one stage on one device.")] = 300,
    work_folder: Annotated[
        Path | None,
        typer.Option("--work", help="Folder for models and logs; else a temporary one."),
    ] = None,
) -> None:
    """Run the stages on an NVIDIA GPU and compare them with the CPU in float32."""
    unknown = set(stages.split(",")) - set(STAGES)
    if unknown:
        raise typer.BadParameter(f"no such stages: {sorted(unknown)}; known: {list(STAGES)}")
    if hidden % 64:
        raise typer.BadParameter("--hidden is not a multiple of 64")
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as temporary:
        folder = work_folder or Path(temporary)
        raise typer.Exit(run_check(stages.split(","), hidden, layers, folder, timeout_s))


if __name__ == "__main__":
    run_command(main)
