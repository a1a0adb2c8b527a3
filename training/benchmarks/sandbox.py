"""A sandbox for generated programs (bubblewrap): isolation, limits, time-out, tests of isolation.

Not here: the programs (`training.benchmarks.programs`).

A program can read the interpreter and the system's libraries. It can write only to /box, which is
in memory and has a limited size. It has no network, sees no other processes and no environment
variables of the machine. It runs as the user nobody, without capabilities, with limits on processor
time, elapsed time, memory, processes and files. This protects the machine from programs that a
model writes. It does not protect from an attacker who exploits the kernel.

Two limits: memory is limited per process, so that a program with many processes can use a multiple
of `memory_mib`; and a program that searches its own process for the nonce can count as passed.
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
"""User id and group id of a program."""
OPEN_FILES = 64
"""Files that a program can have open at the same time."""
SHOWN_CHARS = 500
"""Number of characters that are kept from the end of standard error."""
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
"""Sets the limits, changes the user to nobody, and runs the program from standard input. The
parent's nonce is written only after the program's last line, so that `exit(0)` is not a success.
Root changes its user here and not in a user namespace, because Linux does not limit the processes
of a namespace's user that is root outside."""

SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
"""Paths that an interpreter needs in addition to its own folder, if the machine has them."""

PROBES = {
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "a file of the machine": "open({file!r}).read()",
    "a place to write on the machine": "open({folder!r} + '/written', 'w')",
    "the environment": "import os\nos.environ['PREFLOOP_PROBE']",
    "more processes than it may have": "import os\nfor _ in range({processes}):\n"
    "    if os.fork() == 0:\n        os._exit(0)",
}
"""Programs, each of which accesses something forbidden, by the name of that thing. Each succeeds
outside the sandbox and must fail inside."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    reason: Literal["passed", "failed", "time"]
    """It finished; it ended early by an error, an exit or a signal; it ran out of time."""
    error_output: str
    """End of its standard error."""


def run_program(source: str, limits: CodeLimits) -> Outcome:
    """Run a program in the sandbox until it ends or a limit stops it.

    Raises:
        InputError: this machine cannot isolate a program; it was not run then.
    """
    nonce = secrets.token_hex(16)
    with (
        tempfile.TemporaryDirectory(prefix="sandbox-") as folder,
        (Path(folder) / "out").open("w+b") as out,
        (Path(folder) / "err").open("w+b") as err,
        (Path(folder) / "status").open("w+b") as status,
    ):
        process = subprocess.Popen(
            _build_command(limits, status.fileno()),
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
            # when bwrap ends, every process in the sandbox ends, whatever its process group
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        error_output = _read_tail(err)
        status.seek(0)
        if in_time and b'"exit-code"' not in status.read():  # bwrap did not start the program
            raise _make_refusal(error_output)
        out.seek(0)
        if in_time and out.read(len(nonce) + 1) == nonce.encode():
            return Outcome("passed", error_output)
    killed = (128 + signal.SIGKILL, 128 + signal.SIGXCPU)
    timed_out = not in_time or process.returncode in killed
    return Outcome("time" if timed_out else "failed", error_output)


def require_isolation(limits: CodeLimits) -> None:
    """Check on this machine that programs run in the sandbox and that the probes fail in it.

    Raises:
        InputError: a probe succeeds, or the machine has no unprivileged namespaces.
    """
    if not sys.platform.startswith("linux"):
        raise _make_refusal(f"{sys.platform}, which has no namespaces")
    if (found := run_program("assert sum(range(4)) == 6", limits)).reason != "passed":
        raise _make_refusal(f"a program that does nothing does not pass: {found.error_output}")
    with prepare_probes(limits) as programs:
        for what, program in programs.items():
            if run_program(program, limits).reason == "passed":
                raise _make_refusal(f"a program in the sandbox can access {what}")


@contextmanager
def prepare_probes(limits: CodeLimits) -> Iterator[dict[str, str]]:
    """Open a port and write a file for the probes; yield the programs of `PROBES` by name."""
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


def _build_command(limits: CodeLimits, status: int) -> list[str]:
    """Return the command that runs `DRIVER` in a new sandbox.

    Args:
        limits: limits of the program.
        status: file descriptor to which bwrap writes the exit status if the driver has started.

    Raises:
        InputError: bubblewrap is not installed.
    """
    if (bwrap := shutil.which("bwrap")) is None:
        raise _make_refusal("no program `bwrap` on the PATH")
    if os.geteuid() == 0:
        namespaces = [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
        user = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        namespaces = ["--unshare-all"]
        user = ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    shown = [sys.base_prefix, *(path for path in SYSTEM if Path(path).exists())]
    visible = [path for path in shown if not _is_inside(path, shown)]
    parents = {parent for path in [*visible, "/dev/null"] for parent in Path(path).parents}
    folders = sorted(str(parent) for parent in parents)  # bwrap itself creates them for root only
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
        *(_find_interpreter(), "-I", "-S", "-c", DRIVER, json.dumps(maximum)),
    ]


def _is_inside(path: str, others: list[str]) -> bool:
    """Check whether a path is inside one of the others."""
    return any(path.startswith(other.rstrip("/") + "/") for other in others)


def _find_interpreter() -> str:
    """Return the real interpreter; in a virtual environment `sys.executable` is a link."""
    return os.path.realpath(sys.executable)


def _read_tail(file: Any) -> str:
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - SHOWN_CHARS))
    return file.read().decode("utf-8", "replace").strip()


def _make_refusal(found: str) -> InputError:
    return InputError(
        "generated programs cannot be isolated on this machine, so they are not run",
        expected="Linux with bubblewrap (`bwrap`), as root or with unprivileged user namespaces",
        found=found,
        remedy="install the package `bubblewrap` and allow user namespaces,"
        " or set run_code to false: the answers stay unscored",
    )
