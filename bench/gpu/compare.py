"""Tolerances of the GPU check: differences from float32 on the CPU, and memory after a stage.

docs/measured/gpu.md explains how the tolerances were found. Not here: measuring
(`bench.gpu.stages`, `bench.gpu.sampled`).
"""

import math
from dataclasses import dataclass
from typing import Any

LEFT_MIB = 2048
"""Most device memory, MiB, in use after a stage; the context of the process is about 600."""
AFTER_EXIT_MIB = 256
"""Most device memory, MiB, in use after a stage's process ended; more means that a child runs."""

TOLERANCES: dict[str, dict[str, float]] = {
    # Largest absolute difference from float32 on the CPU. float32: another order of summation.
    # bfloat16: 8 bits of mantissa; three times the measurement on a CPU (docs/measured/gpu.md).
    "loss": {"float32": 1e-3, "bfloat16": 0.015},
    "margin": {"float32": 5e-3, "bfloat16": 0.04},
    "mean_reward": {"float32": 5e-3, "bfloat16": 0.04},
    "rewards/margins": {"float32": 2e-3, "bfloat16": 0.02},
    "logps/chosen": {"float32": 0.01, "bfloat16": 0.1},
    "reward": {"float32": 1e-3, "bfloat16": 0.25},
    "logp": {"float32": 0.01, "bfloat16": 0.4},
    "greedy_gap": {"bfloat16": 0.17},
    "surprise": {"bfloat16": 0.08},
}
"""By quantity and dtype; units in docs/measured/gpu.md."""


@dataclass(frozen=True)
class Difference:
    """The largest absolute difference of a quantity from float32 on the CPU."""

    quantity: str
    dtype: str
    difference: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether the difference is tolerated; NaN is not."""
        return self.difference <= self.tolerance


def compare(
    dtype: str, measured: dict[str, list[float]], reference: dict[str, list[float]]
) -> list[Difference]:
    """Compare the values of two devices, quantity by quantity.

    Raises:
        ValueError: a quantity is missing or empty, or the numbers of values differ.
    """
    sizes = [{name: len(values) for name, values in side.items()} for side in (measured, reference)]
    if sizes[0] != sizes[1] or not all(sizes[0].values()) or not sizes[0]:
        raise ValueError(f"nothing to compare one to one: {sizes[0]} values against {sizes[1]}")
    return [
        Difference(
            name,
            dtype,
            max(
                abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf
                for a, b in zip(values, reference[name], strict=True)
            ),
            TOLERANCES[name][dtype],
        )
        for name, values in measured.items()
    ]


def find_memory_problems(gpu: dict[str, Any]) -> list[str]:
    """List problems: GPU memory that a stage did not free, a process that still runs."""
    problems = []
    if gpu["left_mib"] > LEFT_MIB:
        problems.append(f"{gpu['left_mib']:.0f} MiB in use after the call; at most {LEFT_MIB}")
    if gpu["after_exit_mib"] > AFTER_EXIT_MIB:
        problems.append(f"{gpu['after_exit_mib']:.0f} MiB in use after the process ended")
    return problems


def flatten_figures(gpu: dict[str, Any]) -> dict[str, float]:
    """Flatten the figures of a GPU worker; rates are from the last dtype."""
    rates = list(gpu["figures"].values())[-1]
    return {
        name: round(value, 3)
        for name, value in (rates | gpu).items()
        if isinstance(value, int | float)
    }
