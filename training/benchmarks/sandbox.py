"""A sandbox for generated programs: each runs in a process that can reach nothing of the machine.

In it: the command of bubblewrap that makes the sandbox, the limits, the end by the clock, and the
proof that it isolates on this machine. Not in it: which programs are run
(`training.benchmarks.programs`).

A program sees the interpreter and the system's libraries, read only; /box, in memory and of limited
size, the only place to write; no network, no process but its own, no environment of the machine. It
runs as nobody, without capabilities, with limits on processor time, clock, memory, processes and
files. This protects the machine from what a model writes. It is no defence against someone who
looks for holes in the kernel.
"""

import json
import os
import secrets
import shutil
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

NOBODY = 65534
"""User and group as which a program runs."""
OPEN_FILES = 64
SHOWN_CHARS = 500
"""End of a program's complaint that is kept."""
MIB = 1 << 20

DRIVER = f"""
import json, os, resource, sys
for name, value in json.loads(sys.argv.pop()).items():
    resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
    os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
source, nonce = sys.stdin.read().split("\\0")
verdict = os.dup(1)
os.dup2(os.open("/dev/null", os.O_RDWR), 0)
os.dup2(0, 1)
exec(compile(source, "program.py", "exec"), {{"__name__": "__main__"}})
os.write(verdict, nonce.encode())
"""
"""Sets the limits, becomes nobody and runs the program on standard input. Only a program that
reaches its end writes the parent's nonce, so that `exit(0)` is no success. Root becomes nobody
here rather than in a user namespace, because Linux does not limit the processes of a namespace's
user that is root outside."""

SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
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
        (Path(folder) / "status").open("w+b") as status,
    ):
        process = subprocess.Popen(
            _command(limits, status.fileno()),
            pass_fds=[status.fileno()],
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
            # the end of bwrap ends every process in the sandbox, whatever group they have joined
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        complaint = _tail(err)
        status.seek(0)
        if in_time and b'"exit-code"' not in status.read():  # bwrap has started nothing
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


def _command(limits: CodeLimits, status: int) -> list[str]:
    """Return the command that runs `DRIVER` in a sandbox of its own.

    Args:
        limits: what the program may use.
        status: file descriptor to which bwrap writes the exit status, once the driver has started.

    Raises:
        InputError: bubblewrap is not installed.
    """
    if (bwrap := shutil.which("bwrap")) is None:
        raise _not_isolated("no program `bwrap` on the PATH")
    if os.geteuid() == 0:
        namespaces = [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
        user = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        namespaces = ["--unshare-all"]
        user = ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    shown = [sys.base_prefix, *(path for path in SYSTEM if Path(path).exists())]
    visible = [path for path in shown if not _below(path, shown)]
    parents = {parent for path in [*visible, "/dev/null"] for parent in Path(path).parents}
    folders = sorted(str(parent) for parent in parents)  # bwrap makes them for root alone
    maximum = {
        "CPU": limits.cpu_s,
        "AS": limits.memory_mib * MIB,
        "NPROC": limits.processes,
        "FSIZE": limits.file_mib * MIB,
        "NOFILE": OPEN_FILES,
        "CORE": 0,
    }
    return [
        *(bwrap, *namespaces, "--die-with-parent", "--new-session", "--cap-drop", "ALL", *user),
        *("--json-status-fd", str(status)),
        *("--clearenv", "--setenv", "HOME", "/box", "--setenv", "LANG", "C.UTF-8"),
        *(word for path in folders for word in ("--perms", "0755", "--dir", path)),
        *(word for path in visible for word in ("--ro-bind", path, path)),
        *("--dev-bind", "/dev/null", "/dev/null"),
        *("--size", str(limits.file_mib * MIB), "--perms", "0777", "--tmpfs", "/box"),
        *("--remount-ro", "/", "--chdir", "/box", "--"),
        *(_interpreter(), "-I", "-S", "-c", DRIVER, json.dumps(maximum)),
    ]


def _below(path: str, others: list[str]) -> bool:
    """Return whether a path is inside another that is shown."""
    return any(path.startswith(other.rstrip("/") + "/") for other in others)


def _interpreter() -> str:
    """Return the interpreter itself: that of a virtual environment is a link in a hidden folder."""
    return os.path.realpath(sys.executable)


def _tail(file: Any) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - SHOWN_CHARS))
    return file.read().decode("utf-8", "replace").strip()


def _not_isolated(found: str) -> InputError:
    return InputError(
        "generated programs cannot be run in isolation here, and are not run without",
        expected="Linux with bubblewrap (`bwrap`), as root or with unprivileged user namespaces",
        found=found,
        remedy="install the package `bubblewrap` and allow it namespaces,"
        " or leave run_code off: the answers stay unscored",
    )
