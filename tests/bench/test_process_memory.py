import subprocess
import sys
import time

from bench.process_memory import sample_memory

CHILD = [sys.executable, "-c", "input()"]


def test_each_sample_is_the_sum_over_the_process_and_its_children() -> None:
    parent = [sys.executable, "-c", f"import subprocess; subprocess.run({CHILD})"]
    with (
        subprocess.Popen(parent, stdin=subprocess.PIPE) as process,
        sample_memory(process.pid, lambda _: (1, 10), every_s=0.01) as samples,
    ):
        last = time.monotonic() + 120
        while samples[-1] != (2, 20) and time.monotonic() < last:
            time.sleep(0.01)
        process.communicate(b"\n")
    assert max(samples) == (2, 20)
