"""Programs that nobody has read: run one in a process of its own that can reach nothing.

Lives here: the start of the sandbox, its end by the clock, the proof that it holds on this machine.
Not here: its inside (`training.benchmarks.jail`), which programs are run
(`training.benchmarks.programs`).

It keeps what a model writes from the machine: no network, no file but the interpreter's and the
system's libraries, one place to write that is memory of limited size, no environment, limits on
processor time, clock, memory, processes and files. It is no defence against someone who looks for
holes in the kernel.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.settings.benchmarks import CodeLimits
from transforms.errors import InputError

JAIL = Path(__file__).with_name("jail.py")
NOT_ISOLATED = 125
"""Exit status of the jail where it could not be made."""
OPEN_FILES = 64
SHOWN_CHARS = 500
"""End of a program's complaint that is kept."""
MIB = 1 << 20

SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null")
"""What an interpreter needs beside its own folder, where the machine has it."""

PROBES = {
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "a file of the machine": "open({file!r}).read()",
    "a place to write on the machine": "open({folder!r} + '/written', 'w')",
    "the environment": "import os\nos.environ['PREFLOOP_PROBE']",
    "more processes than it may have": "import os\nfor _ in range({processes}):\n"
    "    if os.fork() == 0:\n        os._exit(0)",
}
"""What no program may reach. Each runs through outside, and must fail inside."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    reason: Literal["passed", "failed", "time"]
    """Came to its end; ended before, by an error, an exit or a signal; ran out of time."""
    complaint: str
    """End of what it wrote to standard error."""


def run_program(source: str, limits: CodeLimits) -> Outcome:
    """Run a program in the sandbox until it ends or is ended.

    Raises:
        InputError: this machine cannot isolate a program; it has not run then.
    """
    nonce = secrets.token_hex(16)
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-") as folder,
        (Path(folder) / "out").open("w+b") as out,
        (Path(folder) / "err").open("w+b") as err,
    ):
        root = Path(folder) / "root"
        root.mkdir()
        process = subprocess.Popen(
            [_interpreter(), "-I", "-S", str(JAIL), json.dumps(_inside(root, limits))],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd="/",
            env={},
            start_new_session=True,
        )
        try:
            process.communicate(f"{source}\0{nonce}".encode(), timeout=limits.wall_s)
            in_time = True
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            # the jail's death is that of every process in it, whatever group they have joined
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        complaint = _tail(err)
        if process.returncode == NOT_ISOLATED:
            raise _not_isolated(complaint)
        out.seek(0)
        if in_time and out.read(len(nonce) + 1) == nonce.encode():
            return Outcome("passed", complaint)
    killed = (128 + signal.SIGKILL, 128 + signal.SIGXCPU)
    timed_out = not in_time or process.returncode in killed
    return Outcome("time" if timed_out else "failed", complaint)


def require_isolation(limits: CodeLimits) -> None:
    """Prove on this machine that a program runs, and that it reaches nothing that it should not.

    Raises:
        InputError: it reaches something, or the machine has no unprivileged namespaces.
    """
    if not sys.platform.startswith("linux"):
        raise _not_isolated(f"{sys.platform}, which has no namespaces")
    if (found := run_program("assert sum(range(4)) == 6", limits)).reason != "passed":
        raise _not_isolated(f"a program that does nothing does not pass: {found.complaint}")
    with probes(limits) as programs:
        for what, program in programs.items():
            if run_program(program, limits).reason == "passed":
                raise _not_isolated(f"a program in it reaches {what}")


@contextmanager
def probes(limits: CodeLimits) -> Iterator[dict[str, str]]:
    """Programs by what they reach outside a sandbox; while the block lasts, it is there."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.TemporaryDirectory(prefix="probe-") as folder,
    ):
        file = Path(folder) / "file"
        file.write_text("readable")
        Path(folder).chmod(0o777)
        file.chmod(0o666)
        places = {
            "port": server.getsockname()[1],
            "file": str(file),
            "folder": folder,
            "processes": limits.processes + 1,
        }
        yield {what: program.format(**places) for what, program in PROBES.items()}


def _inside(root: Path, limits: CodeLimits) -> dict[str, Any]:
    """Describe the inside to the jail."""
    shown = [sys.base_prefix, *(path for path in SYSTEM if Path(path).exists())]
    return {
        "root": str(root),
        "python": _interpreter(),
        "visible": [path for path in shown if not _below(path, shown)],
        "work_bytes": limits.file_mib * MIB,
        "limits": {
            "CPU": limits.cpu_s,
            "AS": limits.memory_mib * MIB,
            "NPROC": limits.processes,
            "FSIZE": limits.file_mib * MIB,
            "NOFILE": OPEN_FILES,
            "CORE": 0,
        },
    }


def _below(path: str, others: list[str]) -> bool:
    """Tell whether a path lies below another that is shown."""
    return any(path.startswith(other.rstrip("/") + "/") for other in others)


def _interpreter() -> str:
    """The interpreter itself: a virtual environment's lies where no program may look."""
    return os.path.realpath(sys.executable)


def _tail(file: Any) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - SHOWN_CHARS))
    return file.read().decode("utf-8", "replace").strip()


def _not_isolated(found: str) -> InputError:
    return InputError(
        "generated programs cannot be run in isolation here, and are not run without",
        expected="Linux with unprivileged user namespaces (or root), no network and a root of their"
        " own for each program",
        found=found,
        remedy="run on such a machine, or leave run_code off: the answers stay unscored",
    )
