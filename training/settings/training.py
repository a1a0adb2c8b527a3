"""Settings that every training stage has: an AdamW run of TRL. Imports no torch.

Not here: settings of one stage (`training.settings.stages`, `training.settings.objectives`).
"""

import math
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from transforms.settings.frozen import Settings

INDECISIVE_SETTINGS = {
    "checkpoint_steps",
    "cluster",
    "reference_batch_tokens",
    "reference_chunk_sequences",
}
"""Settings that change only speed, place and how much a crash can lose; they change no result."""

KEPT_STEPS = 2
"""Step checkpoints on disk, besides one that is being written: the newest may be incomplete."""

RECORDED_IF_SET = ("lora", "load_in_4bit", "optimizer", "attn_implementation", "torch_compile")
"""Settings that are recorded only if they differ from their defaults."""


class LoRASettings(Settings):
    """A low-rank adapter (LoRA, Hu et al. 2021, arXiv 2106.09685) beside frozen weights.

    A linear layer computes (W + alpha / rank * B A) x. Its matrix W is frozen, and only A
    [rank, in] and B [out, rank] are trained. At the end the sum is saved as a whole model.
    """

    rank: int = Field(default=16, ge=1)
    """Rows of A and columns of B. A larger rank has more weights to train and to keep in memory."""
    alpha: int = Field(default=32, ge=1)
    """The product B A is multiplied by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the inputs of A that is set to zero in training. DPO, KTO and RLOO train without
    dropout, so there it must be 0."""
    target_modules: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Linear layers that get an adapter: all but the output head (QLoRA, Dettmers et al. 2023,
    section 4), or the layers whose names end like this, such as `[q_proj, v_proj]`."""


class TrainingSettings(Settings):
    """Settings that every training stage has: an AdamW run of TRL."""

    learning_rate: float = Field(gt=0)
    """Peak of the schedule."""
    epochs: float = Field(default=1.0, gt=0)
    """Passes over the data."""
    max_steps: int | None = Field(default=None, ge=1)
    """Stop training and end the schedule after this many optimiser steps; null trains `epochs`."""
    batch_size: int = Field(default=32, ge=1)
    """Examples per optimiser step, over all processes and accumulated micro-batches."""
    micro_batch_size: int = Field(default=32, ge=1)
    """Examples per forward pass on one device; divides batch_size / processes."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Learning-rate schedule. Paper, section 2.2 and appendix B: cosine."""
    warmup_ratio: float = Field(default=0.03, ge=0, lt=1)
    """Share of steps with a rising learning rate. The first step has a learning rate of 0, so a
    training of one step has no warm-up. Paper: "a warm-up ratio of 0.03"."""
    weight_decay: float = Field(default=0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_tokens: int = Field(default=4096, ge=8)
    """Maximum tokens of an example, at most the model's context; longer rows are dropped and
    counted. The default is that of `sampling.max_context_tokens`, so nothing sampled is dropped."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, about a third slower."""
    logging_steps: int = Field(default=5, ge=1)
    """Optimiser steps between two rows of `training_metrics`."""
    checkpoint_steps: int | None = Field(default=100, ge=1)
    """Optimiser steps between two step checkpoints, from which a killed run resumes, rounded up to
    a logged step; null writes none. One step checkpoint needs 12 bytes per weight, and two or three
    are on disk."""
    kept_shares: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = ()
    """Shares of the optimiser steps after which the weights are kept as a further checkpoint
    `<asset>@<share>`. A sampler with `policy: step` adds its own share."""
    processes: int = Field(default=1, ge=1)
    """Training processes; more than one are started by `accelerate launch`."""
    cluster: Literal["ray"] | None = None
    """Where the training processes run; null: on this machine. `ray`: on the nodes of the Ray
    cluster that the environment variable RAY_ADDRESS names, or else of the one on this machine. If
    one is lost, all start again from the last step checkpoint. The home must be on storage that all
    nodes share."""
    accelerate_config: str | None = None
    """File for `accelerate launch --config_file`, relative to the recipe. It may shard with FSDP2;
    DeepSpeed and FSDP1 are refused. On a cluster, only its kind of sharding is used."""
    lora: LoRASettings | None = None
    """Train an adapter, with the weights frozen; null: train all weights. It needs a learning rate
    about ten times as high. A new head of a reward model is trained whole."""
    load_in_4bit: bool = False
    """Keep the frozen weights of the linear layers in 4 bits (QLoRA, Dettmers et al. 2023, arXiv
    2305.14314: nf4, double quantisation). Needs `lora` and the package bitsandbytes. The reference
    of DPO, KTO and RLOO has 4 bits, too. The saved model is made from the weights before they were
    quantised."""
    optimizer: Literal["adamw", "adamw_8bit", "paged_adamw_8bit"] = "adamw"
    """AdamW with moments in float32 (8 bytes per trained weight) or in 8 bits (2 bytes). `paged`:
    the moments move to the memory of the host when the GPU is full. 8 bits need bitsandbytes."""
    attn_implementation: (
        Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3"] | None
    ) = None
    """The attention of transformers in training; null: its own choice, `sdpa` for most models. With
    null, DPO, KTO and reward models of tested families compute a prompt once for its responses and
    no padding (`training.models.one_pass`); any value makes them compute padded rows. Flash
    attention needs a GPU and its package; it is what makes packing save time."""
    torch_compile: bool = False
    """Compile the model with torch.compile: faster steps after minutes of compilation. Needs a C++
    compiler."""

    @model_validator(mode="after")
    def _require_whole_batches(self) -> Self:
        if self.batch_size % (self.micro_batch_size * self.processes):
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size"
                f" {self.micro_batch_size} x processes {self.processes}"
            )
        return self

    has_dropout: ClassVar[bool] = True
    """Whether the stage trains with dropout."""

    @model_validator(mode="after")
    def _require_whole_copies(self) -> Self:
        if self.load_in_4bit and self.lora is None:
            raise ValueError("load_in_4bit freezes the weights: set lora, which is trained instead")
        if self.accelerate_config and (self.lora or self.optimizer != "adamw"):
            raise ValueError(
                "lora and 8-bit optimizers need all weights on every GPU: remove accelerate_config"
                " (processes may be above 1)"
            )
        if self.lora and "learning_rate" not in self.model_fields_set:
            raise ValueError(
                f"lora without a learning_rate: the default, {self.learning_rate:g}, is for a"
                " training of all weights, and an adapter needs about ten times as much: set"
                f" learning_rate, for example {10 * self.learning_rate:g}"
            )
        if self.lora and self.lora.dropout and not self.has_dropout:
            raise ValueError("lora.dropout has no effect here: this stage trains without dropout")
        return self

    def dump_decisive(self) -> dict[str, Any]:
        """Dump the settings that decide the trained weights and the metrics.

        The others may change when a run resumes, or when a recorded run is requested again.
        """
        unset = {
            name
            for name in RECORDED_IF_SET
            if getattr(self, name) == TrainingSettings.model_fields[name].default
        }
        return self.model_dump(mode="json", exclude=INDECISIVE_SETTINGS | unset)

    def count_steps(self, examples: int) -> int:
        """Compute the optimiser steps of a training on this many examples."""
        return self.max_steps or math.ceil(examples * self.epochs / self.batch_size)

    def complete_from_loop(self, loop: Settings) -> "TrainingSettings":
        """Return the settings of a run, with the settings of the loop that it uses (none here)."""
        return self

    def keep_shares(self, shares: Iterable[float]) -> Self:
        """Copy the settings, with further shares of the steps in `kept_shares`."""
        return self.model_copy(update={"kept_shares": tuple(sorted({*self.kept_shares, *shares}))})


class ReferenceSettings(TrainingSettings):
    """Settings of a training that reads the log-probabilities of a frozen reference."""

    has_dropout: ClassVar[bool] = False
    reference_batch_tokens: int = Field(default=8192, ge=64)
    """Tokens per forward pass of the reference, with padding if the model's family needs it."""
    reference_chunk_sequences: int = Field(default=1024, ge=1)
    """Sequences per chunk of `reference_logps`; finished chunks are committed together
    (`commits`)."""

    def name_reference_type(self, dtype: str) -> str:
        """Return the value of `reference_logps.dtype` for a reference that computes in `dtype`."""
        return f"{dtype}, nf4" if self.load_in_4bit else dtype
