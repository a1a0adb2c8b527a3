"""Replicas of a model: processes that run one stage's command at the same time, each on its GPUs.

A hash divides the rows among the replicas. Each writes chunks to a folder of its own, and the
caller commits them as they appear. Where the processes run is one of `KINDS`. Not here: the stages,
the files of chunks (`training.engine.chunk_folder`).
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
from tqdm import tqdm

from training.engine.chunk_folder import ChunkFolder, divide_rows
from training.engine.device_processes import DeviceProcesses
from training.engine.ray_processes import RayProcesses
from training.engine.replica_processes import POLL_S, ReplicaProcesses
from training.runs.processes import write_options
from training.settings.model import DeviceSettings
from transforms.settings.frozen import Settings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Run = TypeVar("Run", bound="DataclassInstance")

KINDS: Mapping[str | None, type[ReplicaProcesses]] = {None: DeviceProcesses, "ray": RayProcesses}
"""Where the processes run, by the setting `devices.cluster`."""


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

    A replica without rows is not started. If a replica refuses its input, the others finish. What
    happens when a process fails depends on where it runs (`KINDS`).

    Args:
        command: the stage.
        rows: its rows, or frames of them that are read one by one.
        options: further options of the command, one mapping per replica.
        devices: number of replicas, GPUs of each, and where they run.
        settings: the stage's settings.
        commit: called in this thread with every chunk; chunks of one replica come in order.
        description: text of the progress bar.
        total: rows of all chunks, for the progress bar.

    Returns:
        What each started replica printed in its last line. On a cluster, the counts of a replica
        that was started again are those of its last process.

    Raises:
        InputError: there are too few GPUs, or no cluster (then nothing has started), or a replica
            refused its input; the message gives the first one.
        RuntimeError: a replica failed. The others are ended; the message shows the end of its
            output.
    """
    kind = KINDS[devices.cluster]
    kind.require(devices)
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
                    "devices": devices.of_one_replica.model_dump_json(),
                    **options[index],
                },
            )
            for index in started
        }
        committed: set[Path] = set()
        with kind(work, commands, devices) as processes:
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
    """Build the command that runs a module with options by name."""
    return [sys.executable, "-m", module, *write_options(options)]


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
