"""A sandbox for generated programs (bubblewrap): isolation, limits, time-out, tests of isolation.

Not here: the programs (`training.benchmarks.programs`), the code in the sandbox
(`training.benchmarks.sandboxed`), the filter of system calls (`training.benchmarks.seccomp`).

A program and its tests run in two sandboxes, which exchange only calls and plain values. The
verdict comes from the tests' process, in which no code of the program runs.

Both can read the interpreter and the system's libraries, and can write nowhere. They have no
network, see no other processes and no environment variables of the machine. They run as the user
nobody, without capabilities. A program is one process with one thread, because a filter refuses the
others; so limits on its processor time and memory are limits on everything that it does. This
protects the machine from programs that a model writes. It does not protect from an attacker who
exploits the kernel.
"""

import json
import os
import platform
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.benchmarks import sandboxed
from training.benchmarks.seccomp import REFUSED, build_filter
from training.settings.benchmarks import CodeLimits
from transforms.errors import InputError

NOBODY = 65534
"""User id and group id in a sandbox."""
OPEN_FILES = 64
"""Files that a process can have open at the same time."""
SHOWN_CHARS = 500
"""Number of characters that are kept from the end of standard error."""
MIB = 1 << 20
END_S = 5.0
"""Seconds that a program has to end after its tests."""

START = "import sys; sys.path.append('/'); from sandboxed.start import main; main()"

SYSTEM = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
"""Paths that an interpreter needs in addition to its own folder, if the machine has them."""

PROBES = {
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)",
    "a file of the machine": "open({file!r}).read()",
    "a place to write on the machine": "open({folder!r} + '/written', 'w')",
    "the environment": "import os\nos.environ['PREFLOOP_PROBE']",
    "a second process": "import os\nif os.fork() == 0:\n    os._exit(0)",
    "a second thread": "import threading\nthreading.Thread(target=print).start()",
    "memory outside its limit": "import os\nos.memfd_create('probe')",
}
"""Programs, each of which accesses something forbidden, by the name of that thing. Each succeeds
outside the sandbox and must fail inside."""


@dataclass(frozen=True)
class ProgramTests:
    """The tests of a program: code of the benchmark."""

    text: str = ""
    """The tests; they fail by raising an error."""
    names: tuple[str, ...] = ()
    """Names that the tests take from the program."""
    known: str = ""
    """Code that runs before the tests, such as functions of the task that they use."""
    setup: str = ""
    """Code that uses the program's names; it runs after the program, in the program's process."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended."""

    reason: Literal["passed", "failed", "time"]
    """Its tests passed; an error, an exit or a signal ended it or its tests; it ran out of time."""
    error_output: str
    """End of the standard error of its tests, with the error of the program if it had one."""


class Sandbox:
    """One process in a sandbox; leaving the context ends it."""

    def __init__(self, limits: CodeLimits, role: str, pipes: tuple[int, int], **task: Any) -> None:
        """Start `training.benchmarks.sandboxed.start` in a new sandbox.

        Args:
            limits: limits of the process.
            role: `program` or `tests`.
            pipes: file descriptors that it reads from and writes to.
            task: arguments of `serve` or `check`.

        Raises:
            InputError: bubblewrap is not installed, or the machine is not known.
        """
        self.limits, self._files = limits, ExitStack()
        rows, self._out, self._err, self._status, calls = (
            self._files.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
            for _ in range(5)
        )
        maximum = {
            "CPU": limits.cpu_s,
            "AS": limits.memory_mib * MIB,
            "NOFILE": OPEN_FILES,
            "CORE": 0,
        }
        rows.write(json.dumps({"limits": maximum, **task}).encode())
        calls.write(build_filter() if platform.machine() in REFUSED else b"")
        for file in (rows, calls):
            file.seek(0)
        command = _build_command(self._status.fileno(), calls.fileno())
        self._process = subprocess.Popen(
            [*command, role, *map(str, pipes)],
            pass_fds=[self._status.fileno(), calls.fileno(), *pipes],
            stdin=rows,
            stdout=self._out,
            stderr=self._err,
            cwd="/",
            env={},
            start_new_session=True,
        )
        self._ended = self._files.enter_context(_open_process(self._process.pid))
        self.cpu_s = 0.0

    def __enter__(self) -> "Sandbox":
        """Return the running process."""
        return self

    def __exit__(self, *error: object) -> None:
        """End the process if it runs, and everything that it started."""
        if not self.wait(0):
            # The process is killed and not bwrap, which then reaps it. If bwrap were killed, too,
            # the machine's first process would have to reap it, which some containers' does not.
            os.kill(self._read_status().get("child-pid", self._process.pid), signal.SIGKILL)
            self.wait(None)
        self._files.close()

    def wait(self, timeout_s: float | None) -> bool:
        """Wait for the end; return whether it was reached."""
        if self._process.returncode is None and select.select([self._ended], [], [], timeout_s)[0]:
            _, status, usage = os.wait4(self._process.pid, 0)
            self._process.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_s = usage.ru_utime + usage.ru_stime
        return self._process.returncode is not None

    def read_output(self) -> str:
        """Return what the process wrote to standard output."""
        self._out.seek(0)
        return self._out.read().decode("utf-8", "replace")

    def read_error(self) -> str:
        """Return the end of standard error."""
        self._err.seek(0, os.SEEK_END)
        self._err.seek(max(0, self._err.tell() - SHOWN_CHARS))
        return self._err.read().decode("utf-8", "replace").strip()

    def used_all_time(self) -> bool:
        """Check whether the limit on processor time ended it.

        Then the kernel killed it; it cannot kill itself, because it is the first process of its
        namespace. The kernel counts its time by ticks, so `cpu_s` may be less than the limit.
        """
        killed = self._process.returncode == 128 + signal.SIGKILL
        return killed and self.cpu_s > self.limits.cpu_s / 2

    def require_started(self) -> None:
        """Check that bwrap started the process, which has ended.

        Raises:
            InputError: it did not.
        """
        if "exit-code" not in self._read_status():
            raise _make_refusal(self.read_error())

    def _read_status(self) -> dict[str, int]:
        """Read bwrap's report: `child-pid` after the start, `exit-code` after the end."""
        self._status.seek(0)
        decoder, text = json.JSONDecoder(), self._status.read().decode()
        status: dict[str, int] = {}
        while text := text.strip():
            part, end = decoder.raw_decode(text)
            status |= part
            text = text[end:]
        return status


def run_program(source: str, limits: CodeLimits, tests: ProgramTests = ProgramTests()) -> Outcome:
    """Run a program and its tests in two sandboxes until they end or a limit stops them.

    Raises:
        InputError: this machine cannot isolate a program; it was not run then.
    """
    with ExitStack() as stack:
        asked, replied = os.pipe(), os.pipe()
        with ExitStack() as ours:
            for number in (*asked, *replied):
                ours.callback(os.close, number)
            program = stack.enter_context(
                Sandbox(limits, "program", (asked[0], replied[1]), source=source, setup=tests.setup)
            )
            checker = stack.enter_context(
                Sandbox(
                    limits,
                    "tests",
                    (replied[0], asked[1]),
                    known=tests.known,
                    names=tests.names,
                    tests=tests.text,
                )
            )
        if not checker.wait(limits.wall_s):
            return Outcome("time", checker.read_error())
        if program.wait(END_S):
            program.require_started()
        checker.require_started()
        if checker.read_output() == "passed":
            return Outcome("passed", "")
        late = program.used_all_time() or checker.used_all_time()
        return Outcome("time" if late else "failed", checker.read_error() or program.read_error())


def require_isolation(limits: CodeLimits) -> None:
    """Check on this machine that programs run in the sandbox and that the probes fail in it.

    Raises:
        InputError: a probe succeeds, or the machine has no unprivileged namespaces.
    """
    if not sys.platform.startswith("linux"):
        raise _make_refusal(f"{sys.platform}, which has no namespaces")
    if (found := run_program("assert sum(range(4)) == 6", limits)).reason != "passed":
        raise _make_refusal(f"a program that does nothing does not pass: {found.error_output}")
    with prepare_probes() as programs:
        for what, program in programs.items():
            if run_program(program, limits).reason == "passed":
                raise _make_refusal(f"a program in the sandbox can access {what}")


@contextmanager
def prepare_probes() -> Iterator[dict[str, str]]:
    """Open a port and write a file for the probes; yield the programs of `PROBES` by name."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        tempfile.TemporaryDirectory(prefix="probe-") as folder,
    ):
        file = Path(folder) / "file"
        file.write_text("readable")
        Path(folder).chmod(0o777)
        file.chmod(0o666)
        places = {"port": server.getsockname()[1], "file": str(file), "folder": folder}
        yield {what: program.format(**places) for what, program in PROBES.items()}


def _build_command(status: int, calls: int) -> list[str]:
    """Return the command that runs `sandboxed.start` in a new sandbox.

    Args:
        status: file descriptor to which bwrap writes the number of the sandbox's first process, and
            the exit status if it has started.
        calls: file descriptor of the filter of system calls.

    Raises:
        InputError: bubblewrap is not installed, or there is no filter for this machine.
    """
    if (bwrap := shutil.which("bwrap")) is None:
        raise _make_refusal("no program `bwrap` on the PATH")
    if platform.machine() not in REFUSED:
        raise _make_refusal(f"a {platform.machine()}, whose system calls are not known")
    if os.geteuid() == 0:
        # root changes its user in the sandbox, because a machine may have no user namespaces
        namespaces = [f"--unshare-{kind}" for kind in ("ipc", "pid", "net", "uts", "cgroup-try")]
        user = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    else:
        namespaces = ["--unshare-all"]
        user = ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    shown = [sys.base_prefix, *(path for path in SYSTEM if Path(path).exists())]
    visible = [path for path in shown if not _is_inside(path, shown)]
    parents = {parent for path in [*visible, "/dev/null"] for parent in Path(path).parents}
    folders = sorted(str(parent) for parent in parents)  # bwrap itself creates them for root only
    return [
        *(bwrap, *namespaces, "--die-with-parent", "--as-pid-1", "--new-session"),
        *("--cap-drop", "ALL", *user),
        *("--json-status-fd", str(status), "--seccomp", str(calls)),
        *("--clearenv", "--setenv", "HOME", "/", "--setenv", "LANG", "C.UTF-8"),
        *(word for path in folders for word in ("--perms", "0755", "--dir", path)),
        *(word for path in visible for word in ("--ro-bind", path, path)),
        *("--ro-bind", str(Path(sandboxed.__file__).parent), "/sandboxed"),
        *("--dev-bind", "/dev/null", "/dev/null"),
        *("--remount-ro", "/", "--chdir", "/", "--"),
        *(_find_interpreter(), "-I", "-S", "-c", START),
    ]


def _is_inside(path: str, others: list[str]) -> bool:
    """Check whether a path is inside one of the others."""
    return any(path.startswith(other.rstrip("/") + "/") for other in others)


def _find_interpreter() -> str:
    """Return the real interpreter; in a virtual environment `sys.executable` is a link."""
    return os.path.realpath(sys.executable)


@contextmanager
def _open_process(process: int) -> Iterator[int]:
    """Yield a file descriptor that can be read when a process has ended."""
    descriptor = os.pidfd_open(process)
    yield descriptor
    os.close(descriptor)


def _make_refusal(found: str) -> InputError:
    return InputError(
        "generated programs cannot be isolated on this machine, so they are not run",
        expected="Linux on x86_64 or aarch64 with bubblewrap (`bwrap`), as root or with"
        " unprivileged user namespaces",
        found=found,
        remedy="install the package `bubblewrap` and allow user namespaces,"
        " or set run_code to false: the answers stay unscored",
    )
