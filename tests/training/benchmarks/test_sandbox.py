"""Hostile programs, in the real sandbox."""

import os
import subprocess
import sys
import time

import pytest

from training.benchmarks import sandbox
from training.benchmarks.sandbox import prepare_probes, require_isolation, run_program
from training.settings.benchmarks import CodeLimits
from transforms.errors import InputError

LIMITS = CodeLimits(cpu_s=2, wall_s=20, memory_mib=512, processes=8, file_mib=4)

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the sandbox is Linux's namespaces"
)


def ended(program, **limits):
    outcome = run_program(program, LIMITS.model_copy(update=limits))
    return outcome.reason, outcome.error_output


def test_a_program_that_comes_to_its_end_passes():
    assert ended("import math, collections\nassert math.sqrt(4) == 2") == ("passed", "")


@pytest.mark.parametrize(
    ("program", "complaint"),
    [
        ("assert 1 == 2", "AssertionError"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit(0)", ""),
        ("import os\nos._exit(0)", ""),
        ("x = bytearray(10 << 30)", "MemoryError"),
        ("open('/box/x', 'wb').write(b'x' * (8 << 20))", "File too large"),
        ("for n in range(99): open(f'/box/{n}', 'wb').write(b'x' * (1 << 20))", "No space left"),
        ("open('/tmp/x', 'w')", "No such file"),
        ("open('/x', 'w')", "Read-only file system"),
        ("open('/root/.bashrc')", "FileNotFoundError"),
        ("import os\nos.listdir('/home')", "FileNotFoundError"),
        ("import socket\nsocket.create_connection(('10.0.0.1', 80), 2)", "unreachable"),
        ("import os\nwhile True: os.fork()", "Resource temporarily unavailable"),
        ("import os\nos.setuid(0)", "PermissionError"),
        ("import numpy", "No module named"),
        ("import prefloop", "No module named"),
    ],
)
def test_what_goes_wrong_fails(program, complaint):
    reason, said = ended(program)
    assert reason == "failed"
    assert complaint in said


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


def test_the_standard_output_of_a_program_is_no_verdict():
    assert (
        ended("print('passed')\nimport os\nos.write(1, b'x' * 10**6)\nassert False")[0] == "failed"
    )


def test_a_program_leaves_no_process_behind():
    marker = f"sleep{os.getpid()}"
    program = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open('/box/{marker}', 'w')
        time.sleep(60)
    os._exit(0)
"""
    before = _processes()
    assert ended(program)[0] == "passed"
    assert _processes() <= before


def test_what_probes_reach_is_there_outside_and_not_inside(monkeypatch):
    monkeypatch.setenv("PREFLOOP_PROBE", "1")
    with prepare_probes(LIMITS) as programs:
        for what, program in programs.items():
            outside = subprocess.run([sys.executable, "-c", program], check=False)
            assert outside.returncode == 0, what
    require_isolation(LIMITS)


def test_no_file_of_the_machine_is_open_inside():
    program = """
import os
for number in range(5, 64):  # 3: the verdict, 4: /dev/null
    try: os.fstat(number)
    except OSError: continue
    raise SystemExit(f"{number} is open")
assert os.fstat(0).st_rdev == os.fstat(1).st_rdev == os.stat("/dev/null").st_rdev
"""
    assert ended(program) == ("passed", "")


def test_no_process_of_the_machine_is_visible():
    mine = os.getpid()
    program = f"import os\nassert os.getpid() < 5\nos.kill({mine}, 0)"
    reason, complaint = ended(program)
    assert reason == "failed"
    assert "ProcessLookupError" in complaint


def test_a_program_that_destroys_its_verdict_only_fails():
    program = "import os\nfor n in range(3, 9):\n    try: os.ftruncate(n, 0)\n    except OSError: 0"
    assert ended(program + "\nos._exit(0)") == ("failed", "")


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


def _processes():
    """Processes of nobody, as which programs run where the tests are root's."""
    listed = subprocess.run(
        ["ps", "-u", "65534", "-o", "pid="], capture_output=True, text=True, check=False
    )
    return set(listed.stdout.split())
