"""Hostile programs, in the real sandbox."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from training.benchmarks import sandbox
from training.benchmarks.sandbox import ProgramTests, prepare_probes, require_isolation, run_program
from training.settings.benchmarks import CodeLimits
from transforms.errors import InputError

LIMITS = CodeLimits(cpu_s=2, wall_s=30, memory_mib=256)
DOUBLES = ProgramTests("assert double(2) == 4", ("double",))
LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
SENDS = "import sys\nsend = sys._getframe(2).f_locals['replies'].write\n"
"""Start of a program that finds the pipe to its tests."""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the sandbox is Linux's namespaces"
)


def ended(program, tests=None, **limits):
    outcome = run_program(program, LIMITS.model_copy(update=limits), tests or ProgramTests())
    return outcome.reason, outcome.error_output


def test_a_program_that_comes_to_its_end_passes():
    assert ended("import math, collections\nassert math.sqrt(4) == 2") == ("passed", "")


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("assert 1 == 2", "AssertionError"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os\nos._exit(0)", "the program ended early"),
        ("import os\nos._exit(137)", "the program ended early"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nassert False", "Assertion"),
        ("x = bytearray(10 << 30)", "MemoryError"),
        ("x = '\ud800'", "surrogates not allowed"),
        ("x = '\0'", "null bytes"),
        ("open('/tmp/x', 'w')", "No such file"),
        ("open('/x', 'w')", "Read-only file system"),
        ("open('x', 'w')", "Read-only file system"),
        ("import os\nfor n in range(10**9): os.mkdir(str(n))", "Read-only file system"),
        ("open('/root/.bashrc')", "FileNotFoundError"),
        ("import os\nos.listdir('/home')", "FileNotFoundError"),
        ("import socket\nsocket.create_connection(('10.0.0.1', 80), 2)", "unreachable"),
        ("import os\nwhile True: os.fork()", "PermissionError"),
        ("import os\nos.posix_spawn('/proc/self/exe', ['x'], {})", "PermissionError"),
        ("import threading\nthreading.Thread(target=print).start()", "can't start new thread"),
        ("import os\nos.memfd_create('x')", "PermissionError"),
        (LIBC + "assert libc.shmget(0, 1 << 30, 0o1600) >= 0", "AssertionError"),
        (LIBC + "assert libc.msgget(0, 0o1600) >= 0", "AssertionError"),
        (LIBC + "assert libc.syscall(0x40000000 | 57) >= 0, os.getpid()", "AssertionError: 1"),
        ("import os\nos.setuid(0)", "PermissionError"),
        ("import os\nos.kill(-1, 9)", "ProcessLookupError"),
        ("import numpy", "No module named"),
        ("import prefloop", "No module named"),
    ],
)
def test_what_goes_wrong_fails(program, complaint):
    reason, said = ended(program)
    assert reason == "failed"
    assert complaint in said


def test_memory_is_limited_in_all():
    """Not per process: there is one."""
    hold = "held = bytearray({mib} << 20)\nheld[::4096] = bytes(len(held[::4096]))"
    assert ended(hold.format(mib=100))[0] == "passed"
    children = "import os\nfor n in range(10):\n    if os.fork() == 0: break\n"
    for program in (hold.format(mib=300), children + hold.format(mib=60)):
        assert ended(program)[0] == "failed"


@pytest.mark.parametrize(
    "forgery",
    [
        "import os\nos._exit(0)",
        "raise SystemExit(0)",
        "import sys\nsys.stdout.write('passed')",
        "import os\nfor n in range(64):\n    try: os.write(n, b'passed')\n    except OSError: 0",
        "import os\nfor n in range(64):\n    try: os.ftruncate(n, 0)\n    except OSError: 0",
        "import os\nos.closerange(0, 64)",
        "import builtins\nbuiltins.AssertionError = builtins.print",
        "import builtins\nbuiltins.compile = lambda *a: builtins.exit",
        "import sys\nsys.excepthook = sys.settrace = print",
        "import atexit, os\natexit.register(os._exit, 0)",
        "import gc\nfor one in gc.get_objects():\n    if isinstance(one, dict): one['passed'] = 1",
        "from sandboxed import tests\ntests.check = print",
        "import sys\nsys._getframe(1).f_globals['exec'] = print",
        SENDS + "for n in range(9): send('[null, null, null]\\n')",
        SENDS + "send('[true, null, null]\\n' * 10**5)",
        SENDS + 'send(\'[null, "StopIteration", ""]\\n\')',
        SENDS + 'send(\'[null, "SystemExit", "0"]\\n\')',
        SENDS + 'send(\'[null, "exit", "0"]\\n\')',
        SENDS + 'send(\'[["type", "exit"], null, null]\\n\' * 2)',
        SENDS + "send('[' * 10**5 + '\\n')",
        SENDS + "send('passed')",
        SENDS + "send('\\n')",
    ],
)
def test_no_program_can_forge_the_verdict(forgery):
    assert ended(f"def double(x):\n    return 0\n{forgery}", DOUBLES)[0] == "failed"


@pytest.mark.parametrize(
    "answer", ["Agrees()", "Number(3)", "double", "[4]", "type", "float('nan')"]
)
def test_only_the_right_answer_equals_it(answer):
    agrees = "__eq__ = __bool__ = __instancecheck__ = lambda *_: True\n"
    program = f"class Agrees:\n    {agrees}\nclass Number(int):\n    {agrees}\n"
    program += f"def double(x):\n    return {answer}"
    assert ended(program, DOUBLES)[0] == "failed"


def test_output_without_end_fails():
    for line in ("'[' * 999", "'[null, null, null]\\n' * 999"):
        assert ended(f"{SENDS}while True: send({line})", DOUBLES)[0] != "passed"


def test_a_call_that_ends_the_program_fails():
    program = "import os\ndef double(x):\n    os._exit(0)"
    assert ended(program, DOUBLES)[0] == "failed"
    assert ended("def double(x):\n    while True: pass", DOUBLES, cpu_s=1)[0] == "time"


def test_two_programs_at_once_do_not_disturb_each_other():
    programs = ["import time\ntime.sleep(0.5)\ndef double(x): return 2 * x"] * 4
    with ThreadPoolExecutor(4) as pool:
        assert [*pool.map(lambda program: ended(program, DOUBLES), programs)] == [
            ("passed", "")
        ] * 4


def test_a_loop_ends_by_processor_time_and_a_sleep_by_the_clock():
    assert ended("while True: pass", cpu_s=1)[0] == "time"
    started = time.monotonic()
    assert ended("import time\ntime.sleep(60)", wall_s=1.0)[0] == "time"
    assert time.monotonic() - started < 20


def test_no_secret_of_the_environment_is_inside(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hidden")
    assert (
        ended("import os\nassert set(os.environ) <= {'HOME', 'LANG', 'LC_CTYPE', 'PWD'}")[0]
        == "passed"
    )


@pytest.mark.parametrize(
    "program", ["import time\ntime.sleep(60)", "pass", "import os\nos.abort()"]
)
def test_a_program_leaves_no_process_behind(program):
    before = list_sandboxes()
    ended(program, wall_s=2.0)
    assert list_sandboxes() <= before


def test_what_probes_reach_is_there_outside_and_not_inside(monkeypatch):
    monkeypatch.setenv("PREFLOOP_PROBE", "1")
    with prepare_probes() as programs:
        for what, program in programs.items():
            outside = subprocess.run([sys.executable, "-c", program], check=False)
            assert outside.returncode == 0, what
    require_isolation(LIMITS)


def test_no_file_of_the_machine_is_open_inside():
    program = """
import os, stat
kinds = {}
for number in range(64):
    try: kinds[number] = os.fstat(number)
    except OSError: continue
null = os.stat("/dev/null").st_rdev
assert [kinds[number].st_rdev for number in range(3)] == [null] * 3
assert [stat.S_ISFIFO(kinds[number].st_mode) for number in kinds if number > 2] == [True, True]
"""
    assert ended(program) == ("passed", "")


def test_no_process_of_the_machine_is_visible():
    mine = os.getpid()
    program = f"import os\nassert os.getpid() < 5\nos.kill({mine}, 0)"
    reason, complaint = ended(program)
    assert reason == "failed"
    assert "ProcessLookupError" in complaint


def test_without_bubblewrap_no_program_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="install the package `bubblewrap`"):
        run_program("pass", LIMITS)


def test_without_isolation_no_program_runs(monkeypatch, tmp_path):
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="create new namespace") as raised:
        run_program("open('/box/ran', 'w')", LIMITS)
    assert "so they are not run" in str(raised.value)


def test_a_sandbox_that_leaks_is_refused(monkeypatch):
    monkeypatch.setitem(sandbox.PROBES, "the network", "pass")
    with pytest.raises(InputError, match="can access the network"):
        require_isolation(LIMITS)


def test_a_machine_without_a_filter_is_refused(monkeypatch):
    monkeypatch.setattr(sandbox.platform, "machine", lambda: "riscv64")
    with pytest.raises(InputError, match="riscv64"):
        run_program("pass", LIMITS)


def list_sandboxes():
    """List the processes of sandboxes, also those that ended and are not reaped."""
    return {one.pid for one in psutil.process_iter() if one.name() == "bwrap"} | {
        one.pid for one in psutil.process_iter() if "sandboxed.start" in " ".join(_command(one))
    }


def _command(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []
