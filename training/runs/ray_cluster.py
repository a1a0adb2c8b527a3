"""The Ray cluster that replicas and trainings run on: connecting to it, and counting its places.

Imports neither torch nor Ray before a function is called. Not here: what runs on it
(`training.engine.ray_processes`, `training.runs.ray_training`).
"""

import logging
import os
import signal
import threading
from typing import Any

from transforms.errors import InputError


def connect(*, show_output: bool = False) -> Any:
    """Connect this process to the cluster, if it is not yet connected; return the module `ray`.

    Args:
        show_output: print what the processes on the nodes print.

    Raises:
        InputError: the package or the cluster is missing.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise InputError(
            "a package for cluster: ray is missing",
            expected="the module ray",
            found="no such module in this environment",
            remedy="pip install 'prefloop[cluster]', on every node",
        ) from None
    if not ray.is_initialized():
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address="auto", log_to_driver=show_output, logging_level=logging.WARNING)
        except ConnectionError as error:
            raise InputError(
                "there is no Ray cluster for cluster: ray",
                expected="a running cluster, whose address is in RAY_ADDRESS or on this machine",
                found=f"RAY_ADDRESS={os.environ.get('RAY_ADDRESS', '(not set)')}: {error}",
                remedy="start one with `ray start --head` (docs/guide/scaling.md)",
            ) from None
        # Ray has replaced the handler of the orchestrator
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)
    return ray


def reserve(processes: int, gpus: int) -> dict[str, int]:
    """Return the CPUs and GPUs that Ray reserves for each of some processes.

    A process has one CPU and its GPUs, which are on one node. In a cluster without a GPU, it has
    one CPU.

    Raises:
        InputError: the cluster has no place for all of them at once.
    """
    nodes = [node["Resources"] for node in connect().nodes() if node["Alive"]]
    each = {"num_cpus": 1, "num_gpus": gpus if any(node.get("GPU") for node in nodes) else 0}
    places = sum(
        int(min(node.get("CPU", 0), node.get("GPU", 0) // gpus if each["num_gpus"] else 1e9))
        for node in nodes
    )
    if places < processes:
        raise InputError(
            f"too few {'GPUs' if each['num_gpus'] else 'CPUs'} in the Ray cluster",
            expected=f"{processes} processes with {each['num_gpus']} GPUs and one CPU each",
            found=f"places for {places} on {len(nodes)} nodes",
            remedy="add nodes, or lower replicas, gpus_per_replica or processes",
        )
    return each
