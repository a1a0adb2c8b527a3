"""The environment that a training records, and its comparison."""

import json

import torch

from training.runs.environment import LIBRARIES, list_differences, read_environment


def test_the_environment_has_threads_instructions_and_libraries():
    found = read_environment()
    assert found["threads"] == torch.get_num_threads()
    assert found["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert found["torch"] == torch.__version__
    assert set(LIBRARIES) < set(found)
    assert found["processor"]
    assert json.loads(json.dumps(found)) == found


def test_another_number_of_threads_is_another_environment():
    before, threads = read_environment(), torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        found = list_differences(before, read_environment())
    finally:
        torch.set_num_threads(threads)
    assert found == [f"threads ({threads} recorded, {threads + 1} here)"]


def test_each_difference_is_listed_with_both_values():
    recorded = {"gpus": [], "threads": 2, "torch": "2.1", "cuda": None}
    here = {"gpus": ["H200", "H200"], "threads": 1, "torch": "2.1", "new": True}
    assert list_differences(recorded, recorded) == []
    assert list_differences(recorded, here) == [
        "gpus (none recorded, H200 + H200 here)",
        "threads (2 recorded, 1 here)",
        "new (none recorded, True here)",
    ]
