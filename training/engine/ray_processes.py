"""Replicas on the nodes of a Ray cluster: one actor each, which runs the process on its node.

The stages do not know of the cluster. An actor has a folder on its node, in which the process
reads and writes as on one machine. This process copies the replica's input there and its chunks
back, so that the caller commits them here. Actors have no state that matters: if one is lost, a new
one gets the input and the chunks that have arrived, and the stage computes only missing rows.

When a process fails after its first rows, is killed from outside, or its node is lost, it is
started again, a few times. One that fails before its first rows would fail again (a model that
cannot be loaded): its error ends all.
"""

import logging
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from training.engine.replica_processes import ReplicaProcesses
from training.runs.command_line.run import REFUSED
from training.runs.processes import end_processes, start_guarded
from training.runs.ray_cluster import connect, reserve
from training.settings.model import DeviceSettings
from transforms.errors import InputError

LOGGER = logging.getLogger(__name__)

MAX_RESTARTS = 3
"""How often a replica is started again."""
KILLED = 128 + signal.SIGKILL
"""Status of a process that somebody killed, or the kernel when memory was short."""
MESSAGE_BYTES = 64 << 20
"""Bytes of files in one message, about; a message has at least one file."""
END_S = 30.0
"""Seconds that the processes have to end."""
ROWS = (".parquet", ".jsonl")
"""Suffixes of files with rows; a file with such a name is complete and never changes."""
# Ray would kill the guard of the process, which could then not end it.
ENVIRONMENT = {"RAY_kill_child_processes_on_worker_exit": "false"}

Files = dict[str, bytes]
Calls = Generator[Any, Any, None]
"""The calls to a replica's actors, one after the other; each receives the result of the last."""


class NodeProcess:
    """A replica's process and its folder on a node; Ray makes an actor of it."""

    def __init__(self) -> None:
        """Make the folder."""
        self._folder = tempfile.TemporaryDirectory(prefix="replica-")
        self._work = Path(self._folder.name)
        self._known: set[str] = set()
        self._process: subprocess.Popen | None = None

    def find_missing(self, paths: Sequence[str]) -> list[str]:
        """Return the paths that do not exist on this node."""
        return [path for path in paths if not Path(path).exists()]

    def start(self, index: int, command: Sequence[str], work: str) -> None:
        """Start a command with this node's Python; `work` in it becomes the folder on this node."""
        with ExitStack() as stack:
            out, err = (
                stack.enter_context((self._work / f"{index}.{name}").open("wb"))
                for name in ("out", "err")
            )
            words = [word.replace(work, str(self._work)) for word in command[1:]]
            self._process = start_guarded([sys.executable, *words], stdout=out, stderr=err)

    def exchange(self, files: Files) -> tuple[Files, int | None]:
        """Write files; return new files of rows, and the exit status if the process has ended.

        With the status come the files of what the process has printed.
        """
        write_files(self._work, files, self._known)
        status = self._process.poll() if self._process else None
        found = read_files(self._work, "*/*", self._known)
        if status is None or found:
            return found, None
        return {file.name: file.read_bytes() for file in self._work.glob("*.???")}, status

    def stop(self) -> None:
        """End the process and remove the folder."""
        if self._process:
            end_processes([self._process])
        self._folder.cleanup()


class RayProcesses(ReplicaProcesses):
    """The processes of replicas on the nodes of a Ray cluster."""

    def __init__(
        self, work: Path, commands: Mapping[int, Sequence[str]], devices: DeviceSettings
    ) -> None:
        """Connect to the cluster."""
        super().__init__(work, commands, devices)
        each = reserve(devices.replicas, devices.gpus_per_replica)
        self._ray = connect()
        self._actor = self._ray.remote(NodeProcess).options(
            **each, scheduling_strategy="SPREAD", runtime_env={"env_vars": ENVIRONMENT}
        )
        self._actors: dict[int, Any] = {}
        self._calls: dict[Any, Calls] = {}
        self._ended: dict[int, int] = {}

    @staticmethod
    def require(devices: DeviceSettings) -> None:
        """Raise an InputError if there are fewer GPUs than replicas x gpus_per_replica."""
        reserve(devices.replicas, devices.gpus_per_replica)

    def __enter__(self) -> Self:
        """Start an actor for every command."""
        for index in self._commands:
            replica = self._run(index)
            self._calls[next(replica)] = replica
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes that still run, and the actors."""
        self._stop(*self._actors)

    def are_running(self) -> bool:
        """Exchange files with the actors that have answered; check whether a process still runs.

        Raises:
            InputError: a node has no such model.
            RuntimeError: a replica has failed too often.
        """
        calls = [*self._calls]
        ready = self._ray.wait(calls, num_returns=len(calls), timeout=0)[0] if calls else []
        for call in ready:
            replica = self._calls.pop(call)
            with suppress(StopIteration):
                self._calls[self._advance(replica, call)] = replica
        return bool(self._calls)

    def find_ended(self) -> Mapping[int, int]:
        """Return the exit status of every process that has ended, by number of the replica."""
        return self._ended

    def describe_place(self, index: int) -> str:
        """Return that the replica ran on the cluster."""
        return "on the cluster "

    def _advance(self, replica: Calls, call: Any) -> Any:
        """Pass the result of a call, or the loss of its actor, to the replica; return its next."""
        errors = self._ray.exceptions
        try:
            result = self._ray.get(call)
        except errors.RayTaskError:  # an error of the actor's own code, such as a full disk
            raise
        except errors.RayError as error:
            return replica.throw(error)
        return replica.send(result)

    def _run(self, index: int) -> Calls:
        """Run a replica's command on actors, one after the other, until it has ended."""
        for _ in range(1 + MAX_RESTARTS):
            try:
                status, received = yield from self._run_once(index)
            except self._ray.exceptions.RayError as error:
                reason = f"its node or its actor is lost: {error}"
            else:
                again = status == KILLED or (status and received)
                if not again or REFUSED in self.read_last_line(index):
                    self._ended[index] = status
                    self._stop(index)
                    return
                reason = f"its process ended with status {status}:\n{self.read_tail(index)}"
            self._stop(index)
            LOGGER.warning("replica %d has failed: %s", index, reason)
        raise RuntimeError(f"replica {index} has failed {1 + MAX_RESTARTS} times; last {reason}")

    def _run_once(self, index: int) -> Generator[Any, Any, tuple[int, int]]:
        """Run a replica's command on a new actor; return its status and the received files."""
        actor = self._actors[index] = self._actor.remote()
        command, work = self._commands[index], str(self._work)
        models = [word for word in command[1:] if work not in word and Path(word).is_absolute()]
        if missing := (yield actor.find_missing.remote(models)):
            raise InputError(
                f"a node of the cluster has no {missing[0]}",
                expected="models in folders that every node has under the same name",
                found="no such folder on the node of a replica",
                remedy="keep the lake, and PREFLOOP_CACHE, on storage that all nodes share",
            )
        known: set[str] = set()
        while files := self._read_input(index, known):
            yield actor.exchange.remote(files)
        yield actor.start.remote(index, command, work)
        status: int | None = None
        received = 0
        while status is None:
            files, status = yield actor.exchange.remote(self._read_input(index, known))
            write_files(self._work, files, known)
            received += 0 if status is not None else len(files)
        return status, received

    def _read_input(self, index: int, known: set[str]) -> Files:
        return read_files(self._work, f"{index}-*/*", known) | read_files(
            self._work, "settings.json", known
        )

    def _stop(self, *indices: int) -> None:
        """End the processes of replicas and free their places."""
        actors = [self._actors.pop(index) for index in indices]
        if stops := [actor.stop.remote() for actor in actors]:
            self._ray.wait(stops, num_returns=len(stops), timeout=END_S)
        for actor in actors:
            self._ray.kill(actor)


def read_files(work: Path, pattern: str, known: set[str]) -> Files:
    """Read complete files that are not yet known, up to a message's bytes; add them to `known`."""
    files: Files = {}
    for file in sorted(work.glob(pattern)):
        name = str(file.relative_to(work))
        if name in known or file.suffix not in (*ROWS, ".json") or file.name == "run.json":
            continue
        if sum(map(len, files.values())) > MESSAGE_BYTES:
            break
        files[name] = file.read_bytes()
        known.add(name)
    return files


def write_files(work: Path, files: Files, known: set[str]) -> None:
    """Write files; each has its final name when it is complete. Add them to `known`."""
    for name, content in files.items():
        known.add(name)
        file = work / name
        file.parent.mkdir(exist_ok=True)
        partial = file.with_suffix(".copied")
        partial.write_bytes(content)
        partial.rename(file)
