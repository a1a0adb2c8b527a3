"""A fault for the dress rehearsal, which must find it: bfloat16 outputs of sharded models.

Python imports this module at the start of every process whose PYTHONPATH has its folder. These were
the types that accelerate 1.15 chose by itself under FSDP2.
"""

import torch
from torch.distributed import fsdp


class BfloatPolicy(fsdp.MixedPrecisionPolicy):
    """A mixed-precision policy that ignores its arguments: all is bfloat16."""

    def __init__(self, **_: object) -> None:
        """Set bfloat16 for weights in use, sums of gradients, and outputs."""
        names = ("param_dtype", "reduce_dtype", "output_dtype")
        super().__init__(**dict.fromkeys(names, torch.bfloat16))


fsdp.MixedPrecisionPolicy = BfloatPolicy
