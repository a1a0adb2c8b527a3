import multiprocessing
import os
import signal
import threading

from transforms.lake.lake import Lake
from transforms.lake.locks import lock_slice

SPAWN = multiprocessing.get_context("spawn")


def hold(root, held, release):
    with lock_slice(Lake(root), "iteration_1/scores", "e", wait=print):
        held.set()
        release.wait()


def start(root):
    held, release = SPAWN.Event(), SPAWN.Event()
    process = SPAWN.Process(target=hold, args=(root, held, release))
    process.start()
    assert held.wait(60)
    return process, release


def test_the_second_run_of_a_slice_waits_and_says_for_whom(tmp_path):
    process, release = start(tmp_path)
    messages = []

    def note(message):
        messages.append(message)
        threading.Timer(0.1, release.set).start()

    with lock_slice(Lake(tmp_path), "iteration_1/scores", "e", wait=note) as waited:
        assert waited
        process.join(60)
        assert process.exitcode == 0
    (message,) = messages
    assert f"iteration_1/scores [e] is being made by process {process.pid}" in message


def test_other_slices_do_not_wait(tmp_path):
    process, release = start(tmp_path)
    for asset, experiment in (("iteration_1/scores", "f"), ("iteration_2/scores", "e")):
        with lock_slice(Lake(tmp_path), asset, experiment, wait=print) as waited:
            assert not waited
    release.set()
    process.join(60)


def test_a_killed_run_holds_nothing(tmp_path):
    process, _ = start(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    with lock_slice(Lake(tmp_path), "iteration_1/scores", "e", wait=print) as waited:
        assert not waited
