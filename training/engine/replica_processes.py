"""Processes of replicas, wherever they run: what a stage asks of them, and how their ends are read.

Not here: those of this machine (`training.engine.device_processes`) and of a Ray cluster
(`training.engine.ray_processes`).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from training.runs.command_line.run import REFUSED
from training.settings.model import DeviceSettings
from transforms.errors import InputError

POLL_S = 0.2
"""Seconds between two readings of the replicas' folders."""
TAIL_CHARS = 4000
"""Last characters of a failed replica's output that the error message shows."""


class ReplicaProcesses(AbstractContextManager, ABC):
    """Context manager: one process per replica; its exit ends those that run."""

    def __init__(
        self, work: Path, commands: Mapping[int, Sequence[str]], devices: DeviceSettings
    ) -> None:
        """Store the commands.

        Args:
            work: folder with what they read and write. The names of a replica's files and folders
                begin with its number; what it prints is in `<number>.out` and `<number>.err`.
            commands: command lines, by number of the replica.
            devices: number of replicas, and GPUs of each.
        """
        self._work, self._commands, self._devices = work, commands, devices

    @staticmethod
    @abstractmethod
    def require(devices: DeviceSettings) -> None:
        """Raise an InputError if there are fewer GPUs than replicas x gpus_per_replica."""

    @abstractmethod
    def are_running(self) -> bool:
        """Check whether a process still runs; call this before the folders are read."""

    @abstractmethod
    def find_ended(self) -> Mapping[int, int]:
        """Return the exit status of every process that has ended, by number of the replica."""

    @abstractmethod
    def describe_place(self, index: int) -> str:
        """Return where a replica ran, with a space after it; empty if there is only one place."""

    def raise_failure(self) -> None:
        """Raise an error if a process failed; a refused input is no failure.

        Raises:
            RuntimeError: the message gives the replica, its place and the end of its output.
        """
        for index, status in self.find_ended().items():
            if status and REFUSED not in self.read_last_line(index):
                raise RuntimeError(
                    f"replica {index} {self.describe_place(index)}ended with status {status}:\n"
                    + self.read_tail(index)
                )

    def raise_refusal(self) -> None:
        """Raise the error of the first process that refused its input.

        Raises:
            InputError: the message gives the replica, because its counts are those of its rows.
        """
        for index, status in self.find_ended().items():
            if status and (refused := self.read_last_line(index).get(REFUSED)):
                what = f"replica {index} of {self._devices.replicas}: {refused.pop('what')}"
                raise InputError(what, **refused)

    def read_last_line(self, index: int) -> dict[str, Any]:
        """Return what a process printed in its last line; empty if that is no JSON object."""
        lines = (self._work / f"{index}.out").read_text(errors="replace").splitlines()
        with suppress(json.JSONDecodeError):
            return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
        return {}

    def read_tail(self, index: int) -> str:
        """Return the end of what a process printed to stderr."""
        return (self._work / f"{index}.err").read_text(errors="replace")[-TAIL_CHARS:]
