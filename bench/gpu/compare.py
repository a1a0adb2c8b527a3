"""What is tolerated: differences from the CPU's float32, and memory that a stage may keep.

Lives here: tolerances and their use, the verdict on a stage. Not here: measuring
(`bench.gpu.stages`, `bench.gpu.sampled`). How the tolerances were found: docs/measured/gpu.md.
"""

import math
from dataclasses import dataclass
from typing import Any

LEFT_MIB = 2048
"""Most device memory, MiB, in use after a stage's call; the process's own context is about 600."""
AFTER_EXIT_MIB = 256
"""Most device memory, MiB, in use when a stage's process has ended; else one was left behind."""

TOLERANCES: dict[str, dict[str, float]] = {
    # Largest absolute difference from the CPU's float32. float32: another order of summation.
    # bfloat16: 8 bits of mantissa; measured on a CPU (docs/measured/gpu.md) and taken three times.
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
    """One comparison: the largest absolute difference of a quantity from the CPU's float32."""

    quantity: str
    dtype: str
    difference: float
    tolerance: float

    @property
    def within(self) -> bool:
        """Whether it is tolerated; a difference that is no number is not."""
        return self.difference <= self.tolerance


def compare(
    dtype: str, measured: dict[str, list[float]], reference: dict[str, list[float]]
) -> list[Difference]:
    """Compare what two devices computed, quantity by quantity.

    Raises:
        ValueError: a quantity is missing, empty, or has another number of values.
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


def memory_problems(gpu: dict[str, Any]) -> list[str]:
    """Say whether a stage kept the GPU's memory, or left a process behind."""
    problems = []
    if gpu["left_mib"] > LEFT_MIB:
        problems.append(f"{gpu['left_mib']:.0f} MiB in use after the call; at most {LEFT_MIB}")
    if gpu["after_exit_mib"] > AFTER_EXIT_MIB:
        problems.append(f"{gpu['after_exit_mib']:.0f} MiB in use after the process ended")
    return problems


def figures_of(gpu: dict[str, Any]) -> dict[str, float]:
    """Flatten a GPU worker's figures; rates are those of the last dtype."""
    rates = list(gpu["figures"].values())[-1]
    return {
        name: round(value, 3)
        for name, value in (rates | gpu).items()
        if isinstance(value, int | float)
    }
