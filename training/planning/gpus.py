"""The GPUs that `prefloop plan` knows: published peak rates and memory sizes.

Rates are dense (without sparsity) bfloat16 on tensor cores with float32 accumulation, from NVIDIA's
data sheets: A100 (SXM, 2022), H100 and H200 (SXM, 2024), HGX B200 (2025; 2.25 PFLOP/s and 180 GB
per GPU), L40S, A10; and NVIDIA's architecture white papers GA102 (RTX 3090) and Ada (RTX 4090).
Where a sheet gives the rate with sparsity, half of it is dense.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from training.settings.plan.plan import GpuName


@dataclass(frozen=True)
class Gpu:
    """One GPU."""

    flops: float
    """Peak rate, dense bfloat16, FLOP/s."""
    memory_bytes: float
    """Memory, bytes. The size in the name is read as 10^9 bytes, which is up to 7 % less than the
    GPU has; the allocator's fragments need about that."""
    bandwidth: float
    """Memory bandwidth, bytes/s."""


_GPUS: Mapping[GpuName, Gpu] = {
    "a100-40gb": Gpu(312e12, 40e9, 1555e9),
    "a100-80gb": Gpu(312e12, 80e9, 2039e9),
    "h100-80gb": Gpu(989e12, 80e9, 3350e9),
    "h200": Gpu(989e12, 141e9, 4800e9),
    "b200": Gpu(2250e12, 180e9, 7700e9),
    "l40s": Gpu(362e12, 48e9, 864e9),
    "a10": Gpu(125e12, 24e9, 600e9),
    "rtx3090": Gpu(71e12, 24e9, 936e9),
    "rtx4090": Gpu(165e12, 24e9, 1008e9),
}
GPUS: Mapping[str, Gpu] = {name: _GPUS[name] for name in get_args(GpuName)}
"""Every known GPU, by name."""
