"""A whole iteration against the public way: sampling, scoring, best against worst, DPO.

The public way is three programs with files between: vLLM samples all prompts, transformers'
text-classification pipeline scores one text at a time, TRL's DPOTrainer trains with the reference
in memory (`bench/whole_iteration/`). Ours is this project's stages in one process, with every
commit to Delta: responses, scores, pairs, log-probabilities of the reference, metrics, policy. Both
have the same prompts, model, reward model and settings, among them no gradient checkpointing and
the engine's: one GiB of cache, no compilation, one process (by default vLLM leaves one core to its
front end, here half of the machine). Everything counts, also imports and loading. The sides
alternate.

The reward model has the layers of the model and a random head. Prompts are UltraFeedback's.

Two ways to sample have different random numbers, so a check follows: both rank and train on the
same responses, those of the public way to the first prompts, in float32. Rewards must agree to
1e-4, pairs must be equal, and losses agree to 1e-5.

The last line is JSON: `clock_ratio`, `cpu_ratio` (processor time of all processes) and
`memory_ratio` (ours over the peer's; peak resident memory of the process tree, which is one process
in every program: the proportional memory of `bench/memory.py` takes half a core to read).

    python bench/iteration.py --repetitions 2
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import psutil
import typer
from inputs import DATA
from process_memory import sample_memory
from real_model import choose_model, describe_model, make_reward_model
from real_pairs import read_prompts

HERE = Path(__file__).resolve().parent / "whole_iteration"
WAYS = {
    "public": ("vllm_sampling", "pipeline_scoring", "trl_training"),
    "ours": ("stages",),
}
"""Programs of each way, in their order."""
SETTINGS = {
    "temperature": 0.7, "top_p": 0.95, "max_context_tokens": 512, "max_sequences": 256,
    "learning_rate": 5e-5, "beta": 0.1, "epochs": 2, "batch_size": 16, "micro_batch_size": 4,
    "max_tokens": 384, "seed": 0,
}  # fmt: skip
"""Those of recipes/smollm2_135m.yaml, but for the micro-batch."""

WAIT_POLICY = "OMP_WAIT_POLICY"
"""Set by `training` for its own processes; the public way has torch's default."""


class Cost(NamedTuple):
    """Clock seconds, processor seconds of all processes, and peak memory of the process tree."""

    s: float
    cpu_s: float
    peak_mib: int


def read_resident(process: psutil.Process) -> tuple[int]:
    """Read the resident memory of a process, bytes."""
    return (process.memory_info().rss,)


def run_program(program: str, folder: Path) -> Cost:
    """Run a program of a way over its folder.

    Raises:
        RuntimeError: it failed; the message ends with its last output.
    """
    command = [sys.executable, str(HERE / f"{program}.py"), str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != WAIT_POLICY} | {
        "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    log = folder / f"{program}.log"
    started = time.perf_counter()
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process,
        sample_memory(process.pid, read_resident, every_s=0.5) as samples,
    ):
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        elapsed_s = time.perf_counter() - started
    if process.returncode:
        raise RuntimeError(f"{program}: {log.read_text(encoding='utf-8')[-4000:]}")
    return Cost(elapsed_s, used.ru_utime + used.ru_stime, round(max(samples)[0] / 2**20))


def run_way(way: str, folder: Path, prompts: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Run the programs of a way in a new folder; print and return its costs."""
    folder.mkdir()
    write(folder / "prompts.json", prompts)
    write(folder / "settings.json", settings)
    costs = {program: run_program(program, folder) for program in WAYS[way]}
    seconds = {program: round(cost.s, 1) for program, cost in costs.items()}
    found = {
        "s": sum(cost.s for cost in costs.values()),
        "cpu_s": sum(cost.cpu_s for cost in costs.values()),
        "peak_mib": max(cost.peak_mib for cost in costs.values()),
        "parts_s": read(folder / "seconds.json") if way == "ours" else seconds,
        "parts_peak_mib": {program: cost.peak_mib for program, cost in costs.items()},
        "response_tokens": read(folder / "sampled.json")["response_tokens"],
        "pairs": len(read(folder / "pairs.json")),
        "load": round(os.getloadavg()[0], 1),
    }
    print(
        f"{way:8}{found['s']:8.1f} s, {found['cpu_s']:.1f} s of processor time,"
        f" peak {found['peak_mib']} MiB, load {found['load']}; {found['parts_s']}",
        flush=True,
    )
    return found


def check_equal(
    sampled: Path, folder: Path, prompts: int, settings: dict[str, Any]
) -> dict[str, float]:
    """Rank and train on the same responses in both ways, in float32; return the differences.

    A step has all pairs, one per forward pass, so that the order of the pairs does not matter.
    """
    rows = read(sampled / "responses.json")[:prompts]
    for way, programs in WAYS.items():
        (folder / way).mkdir(parents=True)
        write(folder / way / "prompts.json", [row["prompt"] for row in rows])
        write(folder / way / "responses.json", rows)
        for program in programs if way == "ours" else programs[1:]:
            if program != "pipeline_scoring":
                pairs = len(read(folder / "public" / "pairs.json"))
                settings = settings | {"batch_size": pairs}
            changed = settings | {"dtype": "float32", "micro_batch_size": 1}
            write(folder / way / "settings.json", changed)
            run_program(program, folder / way)
    public, ours = (
        {name: read(folder / way / f"{name}.json") for name in ("rewards", "pairs", "losses")}
        for way in WAYS
    )
    assert ours["pairs"] == public["pairs"]
    assert len(ours["losses"]) == settings["epochs"]
    differences = {
        "reward": max(
            abs(one - other)
            for rewards in zip(ours["rewards"], public["rewards"], strict=True)
            for one, other in zip(*rewards, strict=True)
        ),
        "loss": max(
            abs(one - other) for one, other in zip(ours["losses"], public["losses"], strict=True)
        ),
    }
    assert differences["reward"] < 1e-4, differences
    assert differences["loss"] < 1e-5, differences
    return differences | {"pairs": len(ours["pairs"]), "last_loss": ours["losses"][-1]}


def read(file: Path) -> Any:
    """Read a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def write(file: Path, value: object) -> None:
    """Write a JSON file."""
    file.write_text(json.dumps(value), encoding="utf-8")


def main(
    model: Annotated[Path | None, typer.Option(help="Folder of a model; else SmolLM2.")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or bfloat16.")] = "bfloat16",
    prompts: Annotated[int, typer.Option(help="Prompts.")] = 32,
    n: Annotated[int, typer.Option(help="Responses per prompt.")] = 8,
    max_response_tokens: Annotated[int, typer.Option(help="Most tokens of a response.")] = 128,
    check_prompts: Annotated[int, typer.Option(help="Prompts of the check.")] = 8,
    repetitions: Annotated[int, typer.Option(help="Runs of each way, alternating.")] = 1,
    data: Annotated[Path, typer.Option(help="Folder of the real data.")] = DATA,
) -> None:
    """Compare an iteration with the public way."""
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    texts = read_prompts(data, prompts)
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        folder = Path(work)
        policy = choose_model(model, folder).resolve()
        settings = SETTINGS | {
            "model": str(policy),
            "reward_model": str(make_reward_model(policy, folder / "reward_model")),
            "dtype": dtype,
            "n": n,
            "max_response_tokens": max_response_tokens,
        }
        for repetition in range(repetitions):
            for way in list(WAYS)[:: -1 if repetition % 2 else 1]:
                place = folder / f"{way}_{repetition}"
                runs[way].append(run_way(way, place, texts, settings))
        equal = check_equal(folder / "public_0", folder / "check", check_prompts, settings)
        described = describe_model(policy)
    median = {
        (way, figure): statistics.median(run[figure] for run in found)
        for way, found in runs.items()
        for figure in ("s", "cpu_s", "peak_mib")
    }
    result = {
        "bench": "iteration",
        "clock_ratio": round(median["public", "s"] / median["ours", "s"], 2),
        "cpu_ratio": round(median["public", "cpu_s"] / median["ours", "cpu_s"], 2),
        "memory_ratio": round(median["ours", "peak_mib"] / median["public", "peak_mib"], 2),
        "runs": runs,
        "largest_differences": equal,
        "prompts": prompts,
        "responses": prompts * n,
        "dtype": dtype,
        "settings": {name: settings[name] for name in SETTINGS},
        "max_response_tokens": max_response_tokens,
        "model": described,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
