"""Settings of `prefloop plan`, which no run reads. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from training.settings.plan.architecture import ArchitectureSettings
from transforms.settings.frozen import Settings

GpuName = Literal[
    "a100-40gb", "a100-80gb", "h100-80gb", "h200", "b200", "l40s", "a10", "rtx3090", "rtx4090"
]
"""GPUs whose published rates the plan knows (`training.planning.gpus`)."""


class PlanSettings(Settings):
    """Facts for `prefloop plan`. They change no result, and no run reads them."""

    gpu: GpuName | None = None
    """The GPU that hours and memory are predicted for; null predicts neither. `--gpu` overrides
    it."""
    architecture: ArchitectureSettings | None = None
    """Architecture of `model.path`, if prefloop does not know the id and config.json is not on this
    machine."""
    rows: dict[str, Annotated[int, Field(ge=0)]] = Field(default={})
    """Number of demonstrations or pairs by source, for sources whose size is not published."""
    demonstration_tokens: int | None = Field(default=None, ge=1)
    """Mean tokens of a demonstration; null: 500 (assumed)."""
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Mean tokens of a prompt; null: 269, the mean of the paper's Table 1."""
    response_tokens: int | None = Field(default=None, ge=1)
    """Mean tokens of a sampled response; null: 656 (paper, Table 6: the final 8B policy), at most
    `sampling.max_tokens`."""
    training_efficiency: float = Field(default=0.35, gt=0, le=1)
    """Share of the GPU's peak rate that a training reaches, recomputation included. Assumed; that
    of Llama 3 was 0.38 to 0.43 (arXiv 2407.21783, Table 4)."""
    forward_efficiency: float = Field(default=0.45, gt=0, le=1)
    """Share of the peak rate that a forward pass without gradients reaches. Assumed."""
    decode_efficiency: float = Field(default=0.5, gt=0, le=1)
    """Share of the memory bandwidth that decoding reaches. Assumed."""
