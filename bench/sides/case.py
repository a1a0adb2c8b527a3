"""What both sides of `bench/one_pass.py` read, and the measurement of a side in a process."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
from memory import peak_mib

from training.settings.objectives import DPOSettings

SETTINGS = DPOSettings(max_tokens=1024)


class Case(NamedTuple):
    """The model, the pairs (`pairs.parquet` of the folder), and how both sides compute."""

    model: Path
    folder: Path
    dtype: str
    micro_batch_size: int
    steps: int
    threads: int


Measure = Callable[[Case], dict[str, Any]]
"""Returns `s`, `cpu_s` and other figures of a side."""


def _measure(side: Measure, case: Case) -> dict[str, Any]:
    torch.set_num_threads(case.threads)
    return side(case) | {"peak_mib": peak_mib(), "load": round(os.getloadavg()[0], 1)}


def measure_in_process(name: str, side: Measure, case: Case) -> dict[str, Any]:
    """Measure a side in a new process; print its figures."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(_measure, side, case).result()
    print(f"{name:10}{found['s']:8.1f} s, {found['cpu_s']:.1f} s of processor time,"
          f" peak {found['peak_mib']} MiB, load {found['load']}", flush=True)  # fmt: skip
    return found
