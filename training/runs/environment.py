"""The computing environment of a training: what its weights depend on besides rows and settings.

Floating-point sums depend on the order of their terms. On a processor, that is the number of
threads among which torch divides a sum, the instructions of its kernels, and the libraries; on a
GPU, its model. Measured: docs/measured/reliability.md, "Repeated trainings".
"""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

LIBRARIES = ("torch", "transformers", "trl", "accelerate", "tokenizers", "numpy")

CPU_INFO = Path("/proc/cpuinfo")


def read_environment() -> dict[str, Any]:
    """Return the environment of this process, in which a training has run.

    Returns:
        gpus (names), processes, threads (of torch, per process), instructions (of torch's kernels),
        processor, mkl_mode (MKL_CBWR), tf32, deterministic, cuda, and the versions of `LIBRARIES`.
    """
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "gpus": gpus,
        "processes": PartialState(cpu=not gpus).num_processes,
        "threads": torch.get_num_threads(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "processor": _read_processor(),
        "mkl_mode": os.environ.get("MKL_CBWR", "default"),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cuda": torch.version.cuda,
        **{name: version(name) for name in LIBRARIES},
    }


def list_differences(recorded: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """List what differs between two environments, such as `threads (2 recorded, 1 here)`."""
    return [
        f"{name} ({_show(recorded.get(name))} recorded, {_show(here.get(name))} here)"
        for name in dict.fromkeys([*recorded, *here])
        if recorded.get(name) != here.get(name)
    ]


def _show(value: Any) -> str:
    if isinstance(value, list):
        return " + ".join(value) or "none"
    return "none" if value is None else str(value)


def _read_processor() -> str:
    """Return the model of the processor; its architecture where the system does not tell more."""
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
