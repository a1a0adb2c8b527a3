"""Launcher of training stages: in this process, `accelerate launch`, Ray.

Importing this module loads no torch, so an orchestrator may import it. Not here: training
(`training.runs.trainer`), the command of a stage (`training.runs.command_line`).
"""

import json
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import yaml
from filelock import FileLock, Timeout

from training.runs.processes import end_processes, start_guarded, write_options
from training.runs.ray_cluster import reserve
from training.runs.software import require_software
from training.stages import STAGES
from transforms.errors import InputError

if TYPE_CHECKING:
    from training.runs.examples import Rows
    from training.runs.run_record import Report, TrainingRun
    from training.settings.training import TrainingSettings

TAIL_LINES = 150
"""Last lines of a failed run's output that the error message shows."""

WAIT_S = 60
"""Seconds that the processes of a killed run have to end."""


def launch(
    stage: str,
    rows: "Rows",
    output: Path,
    settings: "TrainingSettings",
    *,
    seed: int,
    dtype: str,
    report: "Report | None" = None,
    **models: Path,
) -> "TrainingRun":
    """Run a training stage with the number of processes in its settings.

    Args:
        stage: one of `training.stages.STAGES`.
        rows: the stage's rows; for an objective with `sides`, with the log-probabilities of the
            reference. Their examples are made in this process, once.
        output: folder of the finished checkpoint.
        settings: the stage's settings. With `processes` above 1, an `accelerate_config` or a
            `cluster`, the stage runs through one of `LAUNCHERS`.
        seed: seed of all random numbers.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.
        models: the stage's model folders by parameter name (`Stage.start`, `Stage.models`).

    Raises:
        InputError: more processes than GPUs, a package that the settings need or the cluster is
            missing, or processes of a killed run still use the folder.
        RuntimeError: a launched process failed; the message ends with the last lines of its output.
    """
    require_software(settings)
    output = Path(output)
    lock = output.parent / f".{output.name}.lock"
    _wait_for_processes(lock)
    launched = settings.processes > 1 or settings.accelerate_config or settings.cluster
    launcher = LAUNCHERS[settings.cluster]
    if launched:
        launcher.require(settings)
    maker = STAGES[stage].load_maker(models[STAGES[stage].start], settings)
    inputs = output.parent / f".{output.name}.inputs"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, inputs, ignore_errors=True)
        # loads torch
        import_module("training.runs.examples").write_examples(rows, maker, inputs / "examples")
        if not launched:
            return STAGES[stage].load()(
                inputs / "examples",
                output=output, settings=settings, seed=seed, dtype=dtype, report=report, **models,
            )  # fmt: skip
        (inputs / "settings.json").write_text(settings.model_dump_json(), encoding="utf-8")
        options: dict[str, object] = {
            STAGES[stage].rows: inputs / "examples",
            "settings": inputs / "settings.json",
        }
        options |= models | {"output": output, "seed": seed, "dtype": dtype}
        _follow(_build_command(launcher.module, stage, settings, options), report, lock)
    return import_module("training.runs.run_record").read_run(output)


def _build_command(
    launcher: str, stage: str, settings: "TrainingSettings", options: Mapping[str, object]
) -> list[str]:
    """Return the command that runs a stage in several processes; its paths are absolute."""
    command = [sys.executable, "-m", launcher, *_build_device_options(settings)]
    command += ["--num_processes", str(settings.processes), "-m", STAGES[stage].module]
    return [*command, *write_options(options)]


def _require_gpus(settings: "TrainingSettings") -> None:
    """Refuse more processes than GPUs, which would fail late. A CPU allows any number."""
    import torch

    if not torch.cuda.is_available():
        return
    machines = 1
    if settings.accelerate_config is not None:
        config = yaml.safe_load(Path(settings.accelerate_config).read_text(encoding="utf-8"))
        machines = config.get("num_machines", 1)
    if torch.cuda.device_count() * machines < settings.processes:
        raise InputError(
            "too few GPUs for the training processes",
            expected=f"processes: {settings.processes}, each with its own GPU",
            found=f"{torch.cuda.device_count()} GPUs per machine, {machines} machines",
            remedy="lower processes in the stage's settings",
        )


def _require_places(settings: "TrainingSettings") -> None:
    """Refuse more processes than the Ray cluster has places for."""
    reserve(settings.processes, 1)


@dataclass(frozen=True)
class Launcher:
    """One way to run a stage in processes of its own."""

    module: str
    """Its command, with the options of `accelerate launch`."""
    require: Callable[["TrainingSettings"], None]
    """Raises an InputError if there are too few devices."""


LAUNCHERS: Mapping[str | None, Launcher] = {
    None: Launcher("accelerate.commands.launch", _require_gpus),
    "ray": Launcher("training.runs.ray_training", _require_places),
}
"""Where a stage's processes run, by the setting `cluster`."""


def _build_device_options(settings: "TrainingSettings") -> list[str]:
    """Return the options of `accelerate launch` that select devices."""
    if settings.accelerate_config is not None:
        return ["--config_file", settings.accelerate_config]
    # Also without a GPU: the processes then communicate through gloo, while --cpu would need MPI.
    several = ["--multi_gpu"] if settings.processes > 1 else []
    devices = [*several, "--num_machines", "1", "--main_process_port", "0"]
    return [*devices, "--mixed_precision", "no", "--dynamo_backend", "no"]


def _wait_for_processes(lock: Path) -> None:
    """Wait until the processes of a killed run have ended, which use the same folders."""
    if not lock.exists():
        return
    try:
        with FileLock(lock, timeout=WAIT_S):
            lock.unlink(missing_ok=True)
    except Timeout:
        raise InputError(
            "the folder of a training is in use",
            expected=f"no process that has locked {lock}",
            found=f"one that did not end within {WAIT_S} s",
            remedy="end the processes of the other run; `ps aux` lists them",
        ) from None


def _read_report(line: str) -> dict[str, Any] | None:
    """Read a logged step from a line of output; None if the line is something else.

    Ray prints the process before the report, and another process may write into the same line.
    """
    start = line.find('{"step":')
    if start < 0:
        return None
    try:
        logged, _ = json.JSONDecoder().raw_decode(line, start)
    except json.JSONDecodeError:
        return None  # broken by the output of another process; it is shown as it is
    return dict(logged)


def _follow(command: list[str], report: "Report | None", lock: Path | None = None) -> None:
    """Run a command; pass its reports to `report` and its other lines to stderr.

    If this process is interrupted or killed, or `report` fails, the command is ended.
    """
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    with start_guarded(
        command,
        lock=lock,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in cast(IO[str], process.stdout):
                tail.append(line)
                logged = _read_report(line)
                if report is not None and logged is not None:
                    report(logged["step"], logged["total_steps"], logged["metrics"])
                else:
                    sys.stderr.write(line)
        except BaseException:
            end_processes([process])
            raise
    if process.returncode:
        raise RuntimeError(
            f"training failed with exit status {process.returncode}: {' '.join(command)}\n"
            + "".join(tail)
        )
