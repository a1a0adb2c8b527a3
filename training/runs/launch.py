"""Launcher of training stages: in this process, `accelerate launch`, Ray; and their commands.

Importing this module loads no torch, so an orchestrator may import it. Not here: training
(`training.runs.trainer`).
"""

import json
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer
import yaml
from filelock import FileLock, Timeout
from pydantic import ValidationError

from training.runs.processes import end_processes, start_guarded
from training.runs.ray_cluster import reserve
from training.runs.software import require_software
from training.settings.model import DeviceSettings
from training.stages import STAGES
from transforms.errors import InputError
from transforms.settings.frozen import Settings
from transforms.settings.validation_errors import convert_validation_error
from transforms.text_encoding import decode_text

if TYPE_CHECKING:
    from training.runs.examples import Rows
    from training.runs.run_record import Report, TrainingRun
    from training.settings.training import TrainingSettings

TAIL_LINES = 150
"""Last lines of a failed run's output that the error message shows."""

REFUSED = "refused"
"""Key of the last line that a command prints if it refuses its input: the parts of the error."""

WAIT_S = 60
"""Seconds that the processes of a killed run have to end."""

S = TypeVar("S", bound=Settings)


def read_devices(text: str | DeviceSettings) -> DeviceSettings:
    """Read the option `--devices`, a mapping in YAML; typer also passes its default.

    Raises:
        typer.BadParameter: a key is unknown or a value is impossible.
    """
    if isinstance(text, DeviceSettings):
        return text
    try:
        return DeviceSettings.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise typer.BadParameter(str(error)) from None


OutputOption = Annotated[Path, typer.Option(help="Folder of the finished checkpoint.")]
SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", help="JSON file of the stage's settings; else the defaults."),
]
SeedOption = Annotated[int, typer.Option(help="Seed of weights, data order and dropout.")]
DtypeOption = Annotated[Literal["float32", "bfloat16"], typer.Option(help="Compute type.")]
ChunksOption = Annotated[Path, typer.Option(help="Folder for parquet files, one per chunk.")]
DevicesOption = Annotated[
    DeviceSettings,
    typer.Option(
        parser=read_devices, help="Replicas and GPUs as in a recipe, such as '{replicas: 8}'."
    ),
]


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
    for name, value in options.items():
        text = str(value.absolute() if isinstance(value, Path) else value)
        command += [f"--{name.replace('_', '-')}", text]
    return command


def run_command(main: Callable[..., None]) -> None:
    """Run a stage's `main` as a command.

    If it refuses its input, the error is printed to stderr without a traceback, the status is 1,
    and the last line of stdout is JSON, from which the process that has started it makes the same
    `InputError`.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        require_usable_sharding(os.environ)
        app()
    except InputError as error:
        print(json.dumps({REFUSED: {"what": error.what, **error.parts}}), flush=True)
        print(error, file=sys.stderr, flush=True)
        raise SystemExit(1) from None


def require_usable_sharding(launched: Mapping[str, str]) -> None:
    """Refuse kinds of sharding whose numbers or checkpoints would be wrong, or are not tested.

    DeepSpeed and FSDP1 add gradients in the compute type. With another state dict than the full
    one, transformers saves no weights of a finished model. If only the first process loads weights,
    those of TRL's reference are missing in the others.

    Args:
        launched: environment variables, which `accelerate launch` sets from its file.

    Raises:
        InputError: see above.
    """
    usable = {
        "ACCELERATE_USE_DEEPSPEED": ("distributed_type: DEEPSPEED", "false"),
        "ACCELERATE_USE_MEGATRON_LM": ("distributed_type: MEGATRON_LM", "false"),
    }
    if launched.get("ACCELERATE_USE_FSDP") == "true":
        usable |= {
            "FSDP_VERSION": ("fsdp_version", "2"),
            "FSDP_STATE_DICT_TYPE": ("fsdp_state_dict_type", "full_state_dict"),
            "FSDP_CPU_RAM_EFFICIENT_LOADING": ("fsdp_cpu_ram_efficient_loading", "false"),
        }
    for variable, (setting, expected) in usable.items():
        found = launched.get(variable, "false").lower()
        if found != expected:
            raise InputError(
                f"the accelerate file cannot be used: {setting}",
                expected=expected,
                found=found,
                remedy="use recipes/accelerate/fsdp.yaml, or change another setting in a copy",
            )


def read_settings(kind: type[S], file: Path | None) -> S:
    """Read a stage's settings from a JSON file; without a file, use the defaults.

    Raises:
        InputError: no such file, not JSON, an unknown key, or a value out of range.
    """
    if file is None:
        return kind()
    what = f"settings file {file} is refused"
    try:
        keys: object = json.loads(decode_text(file.read_bytes()))
        found = f"a {type(keys).__name__}"
    except (OSError, ValueError) as error:
        keys, found = None, str(error)
    if not isinstance(keys, dict):
        raise InputError(
            what,
            expected="a JSON object of the stage's settings",
            found=found,
            remedy='write for example {"learning_rate": 1e-5}',
        )
    try:
        return kind.model_validate(keys)
    except ValidationError as error:
        raise convert_validation_error(error, what, model=kind) from None


def print_report(step: int, total_steps: int, metrics: dict[str, float]) -> None:
    """Print a logged step as one line of JSON."""
    line: dict[str, Any] = {"step": step, "total_steps": total_steps, "metrics": metrics}
    print(json.dumps(line), flush=True)


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
                start = line.find('{"step":')  # Ray prints the process before it
                if report is not None and start >= 0:
                    logged = json.loads(line[start:])
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
