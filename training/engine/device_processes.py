"""Replicas of a model: processes that run one stage's command at the same time, each on its GPUs.

A hash divides the rows among the replicas. Each writes chunks to a folder of its own, and the
caller commits them as they appear. Not here: the stages, the files of chunks
(`training.engine.chunk_folder`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import polars as pl
import torch
from tqdm import tqdm

from training.engine.chunk_folder import ChunkFolder, divide_rows
from training.models.loading.gpus import require_gpus
from training.runs.launch import REFUSED
from training.runs.processes import end_processes, start_guarded
from training.settings.model import DeviceSettings
from transforms.errors import InputError
from transforms.settings.frozen import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Run = TypeVar("Run", bound="DataclassInstance")

POLL_S = 0.2
"""Seconds between two readings of the replicas' folders."""
TAIL_CHARS = 4000
"""Last characters of a failed replica's output that the error message shows."""


@dataclass(frozen=True)
class StageCommand:
    """A stage's command that computes rows into a folder of chunks."""

    module: str
    """Its module: `python -m <module>`."""
    rows: str
    """Its option for the file or folder of its rows."""
    key: str
    """Column of the rows that decides which replica computes a row."""
    unit: str
    """Rows of a chunk, for the progress bar."""


def divide_devices(devices: DeviceSettings) -> list[str | None]:
    """Divide the visible GPUs: return one CUDA_VISIBLE_DEVICES per replica, or Nones without GPUs.

    Raises:
        InputError: there are fewer GPUs than replicas x gpus_per_replica.
    """
    size = devices.gpus_per_replica
    require_gpus(devices.replicas * size)
    if not torch.cuda.is_available():
        return [None] * devices.replicas
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = named.split(",") if named else [str(i) for i in range(torch.cuda.device_count())]
    return [",".join(visible[i * size : (i + 1) * size]) for i in range(devices.replicas)]


def run_on_replicas(
    command: StageCommand,
    rows: pl.DataFrame | Iterable[pl.DataFrame],
    options: Sequence[Mapping[str, object]],
    devices: DeviceSettings,
    *,
    settings: Settings,
    commit: Callable[[pl.DataFrame], None],
    description: str,
    total: int | None = None,
) -> list[dict[str, Any]]:
    """Run a stage's command once per replica, and commit chunks as they appear.

    A replica without rows is not started. If a replica refuses its input, the others finish.

    Args:
        command: the stage.
        rows: its rows, or frames of them that are read one by one.
        options: further options of the command, one mapping per replica.
        devices: number of replicas, and GPUs of each.
        settings: the stage's settings.
        commit: called in this thread with every chunk; chunks of one replica come in order.
        description: text of the progress bar.
        total: rows of all chunks, for the progress bar.

    Returns:
        What each started replica printed in its last line.

    Raises:
        InputError: there are too few GPUs (then nothing has started), or a replica refused its
            input; the message gives the first one.
        RuntimeError: a replica failed. The others are ended; the message shows the end of its
            output.
    """
    groups = divide_devices(devices)
    alone = DeviceSettings(gpus_per_replica=devices.gpus_per_replica)
    with (
        tempfile.TemporaryDirectory(prefix="replicas-") as folder,
        tqdm(total=total, desc=description, unit=command.unit, disable=None) as bar,
    ):
        work = Path(folder)
        (work / "settings.json").write_text(settings.model_dump_json(), encoding="utf-8")
        started = _write_rows(rows, command.key, devices.replicas, work)
        chunks = {index: ChunkFolder(work / f"{index}-chunks") for index in started}
        commands = {
            index: build_command(
                command.module,
                {
                    command.rows: work / f"{index}-rows",
                    "output": chunks[index].folder,
                    "settings": work / "settings.json",
                    "devices": alone.model_dump_json(),
                    **options[index],
                },
            )
            for index in started
        }
        committed: set[Path] = set()
        with DeviceProcesses(work, commands, groups) as processes:
            running = True
            while running:
                running = processes.are_running()
                for one in chunks.values():
                    for file in one.list_files():
                        if file not in committed:
                            chunk = pl.read_parquet(file)
                            commit(chunk)
                            committed.add(file)
                            bar.update(chunk.height)
                processes.raise_failure()
                time.sleep(POLL_S if running else 0)
            processes.raise_refusal()
        return [processes.read_last_line(index) for index in started]


def merge_runs(kind: type[Run], printed: Sequence[Mapping[str, Any]], elapsed_s: float) -> Run:
    """Merge what replicas printed into one run; they ran at the same time for `elapsed_s` seconds.

    Counts are added. The start of the run is the longest start of a replica.
    """
    start = next(field.name for field in fields(kind) if field.name.endswith("_start_s"))
    start_s = max((run[start] for run in printed), default=0.0)
    times = {start: start_s, "elapsed_s": elapsed_s - start_s}
    counts = [field.name for field in fields(kind) if field.name not in times]
    return kind(**{name: sum(run[name] for run in printed) for name in counts}, **times)


def build_command(module: str, options: Mapping[str, object]) -> list[str]:
    """Build a command line from options by name; an underscore in a name becomes a hyphen."""
    words = [sys.executable, "-m", module]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return words


class DeviceProcesses:
    """Context manager: the processes of replicas, on their GPUs; its exit ends those that run."""

    def __init__(
        self, work: Path, commands: Mapping[int, Sequence[str]], groups: Sequence[str | None]
    ) -> None:
        """Store the commands.

        Args:
            work: folder for what they print.
            commands: command lines, by number of the replica.
            groups: GPUs of every replica, from `divide_devices`.
        """
        self._work, self._commands, self._groups = work, commands, groups
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        """Start all processes."""
        try:
            for index, command in self._commands.items():
                self._processes[index] = self._start(index, command)
        except BaseException:
            end_processes([*self._processes.values()])
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes that still run."""
        end_processes([*self._processes.values()])

    def are_running(self) -> bool:
        """Check whether a process still runs."""
        return any(process.poll() is None for process in self._processes.values())

    def raise_failure(self) -> None:
        """Raise an error if a process failed; a refused input is no failure.

        Raises:
            RuntimeError: the message gives the replica, its GPUs and the end of its output.
        """
        for index, process in self._processes.items():
            if process.poll() and REFUSED not in self.read_last_line(index):
                group = self._groups[index]
                raise RuntimeError(
                    f"replica {index} {f'on GPUs {group} ' if group else ''}ended with status"
                    f" {process.returncode}:\n"
                    + (self._work / f"{index}.err").read_text(errors="replace")[-TAIL_CHARS:]
                )

    def raise_refusal(self) -> None:
        """Raise the error of the first process that refused its input.

        Raises:
            InputError: the message gives the replica, because its counts are those of its rows.
        """
        for index, process in self._processes.items():
            if process.poll() and (refused := self.read_last_line(index).get(REFUSED)):
                what = f"replica {index} of {len(self._groups)}: {refused.pop('what')}"
                raise InputError(what, **refused)

    def read_last_line(self, index: int) -> dict[str, Any]:
        """Return what a process printed in its last line; empty if that is no JSON object."""
        lines = (self._work / f"{index}.out").read_text(errors="replace").splitlines()
        with suppress(json.JSONDecodeError):
            return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
        return {}

    def _start(self, index: int, command: Sequence[str]) -> subprocess.Popen[bytes]:
        group = self._groups[index]
        with (
            (self._work / f"{index}.out").open("wb") as out,
            (self._work / f"{index}.err").open("wb") as err,
        ):
            return start_guarded(
                command,
                stdout=out,
                stderr=err,
                env=os.environ | ({} if group is None else {"CUDA_VISIBLE_DEVICES": group}),
            )


def _write_rows(
    rows: pl.DataFrame | Iterable[pl.DataFrame], key: str, replicas: int, work: Path
) -> list[int]:
    """Write the rows of every replica to a folder; return the replicas that have some."""
    for number, frame in enumerate([rows] if isinstance(rows, pl.DataFrame) else rows):
        for index, part in enumerate(divide_rows(frame, key, replicas)):
            if part.height:
                folder = work / f"{index}-rows"
                folder.mkdir(exist_ok=True)
                part.write_parquet(folder / f"{number:06}.parquet")
    return [index for index in range(replicas) if (work / f"{index}-rows").is_dir()]
