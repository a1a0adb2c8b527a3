"""Replicas on this machine: one process each, on GPUs of its own, which are divided here."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from training.engine.replica_processes import ReplicaProcesses
from training.models.loading.gpus import require_gpus
from training.runs.processes import end_processes, start_guarded
from training.settings.model import DeviceSettings


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


class DeviceProcesses(ReplicaProcesses):
    """The processes of replicas on this machine; a process that fails ends the others."""

    def __init__(
        self, work: Path, commands: Mapping[int, Sequence[str]], devices: DeviceSettings
    ) -> None:
        """Divide the GPUs."""
        super().__init__(work, commands, devices)
        self._groups = divide_devices(devices)
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @staticmethod
    def require(devices: DeviceSettings) -> None:
        """Raise an InputError if there are fewer GPUs than replicas x gpus_per_replica."""
        require_gpus(devices.replicas * devices.gpus_per_replica)

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

    def find_ended(self) -> Mapping[int, int]:
        """Return the exit status of every process that has ended, by number of the replica."""
        statuses = {index: process.poll() for index, process in self._processes.items()}
        return {index: status for index, status in statuses.items() if status is not None}

    def describe_place(self, index: int) -> str:
        """Return the replica's GPUs."""
        group = self._groups[index]
        return "" if group is None else f"on GPUs {group} "

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
