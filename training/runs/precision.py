"""Compute type, sharding and device of a training: what accelerate is told, and a check of outputs.

Weights, sums of gradients and the outputs of a model are float32 for every compute type. Under
FSDP2, accelerate 1.15 alone would make sums and outputs bfloat16. A summed log-probability near
-1,000 nats would then have steps of 4 nats. Not here: the other arguments of a trainer
(`training.runs.trainer`).
"""

import os
from collections.abc import Mapping
from typing import Any, TypeVar, cast

import torch
from accelerate import DistributedType, PartialState
from torch.distributed.fsdp import MixedPrecisionPolicy
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_pt_utils import AcceleratorConfig

from transforms.errors import InputError

POLICY = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
"""Types under FSDP2 with compute type bfloat16. The sharded weights are float32.

Outputs are not cast: log-probabilities and rewards are computed in float32 (TRL's fused head,
`training.models.rewards`). A cast of every layer's output to float32 would make TRL's head multiply
float32 matrices, which takes a GPU about ten times as long, and would double the saved activations.
"""

A = TypeVar("A", bound=TrainingArguments)


def complete_arguments(arguments: A) -> A:
    """Complete the arguments of a TRL trainer: types under sharding, and one device per process.

    Args:
        arguments: of any TRL trainer. Changed.

    Returns:
        The same arguments.

    Raises:
        InputError: the accelerate file sets another compute type.
    """
    # Without a launcher, transformers would divide each batch among all visible GPUs
    # (nn.DataParallel), which TRL refuses. One process uses one GPU, the first visible one.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    precision = "bf16" if arguments.bf16 else "no"
    if arguments.mixed_precision != precision:
        raise InputError(
            "the accelerate file sets another compute type than the recipe",
            expected=f"mixed_precision: {precision}",
            found=arguments.mixed_precision,
            remedy="write mixed_precision: 'no' into the file; the recipe's dtype decides",
        )
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        # The plugin reads the fields that are not given from what the launcher has set.
        arguments.fsdp_plugin_args = {"mixed_precision_policy": POLICY if arguments.bf16 else None}
        # Otherwise each GPU adds up the float32 gradients of all weights between optimiser steps,
        # 32 GB for 8B, instead of its share of them.
        configured = cast(AcceleratorConfig, arguments.accelerator_config)
        configured.gradient_accumulation_kwargs = {"sync_each_batch": True}
        if not torch.cuda.is_available():
            # accelerate ignores FSDP on a CPU; with this type it shards there as on GPUs
            PartialState().distributed_type = DistributedType.MULTI_GPU
    return arguments


class OutputCheck(TrainerCallback):
    """Stop a training in its first step if a number that the loss is made of is not float32."""

    def __init__(self, trainer: Trainer) -> None:
        """Store the trainer. Its models are known only when it starts."""
        self._trainer = trainer

    def on_train_begin(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        cast(torch.nn.Module, self._trainer.model).register_forward_hook(_require_in_loss)
        reference = getattr(self._trainer, "ref_model", None)
        if reference is not None:
            reference.register_forward_hook(require_float32)


def _require_in_loss(model: torch.nn.Module, inputs: Any, outputs: Any) -> None:
    if torch.is_grad_enabled():  # else the model samples; the logits may be of any type
        require_float32(model, inputs, outputs)


def require_float32(model: torch.nn.Module, inputs: Any, outputs: Any) -> None:
    """Refuse outputs that are not float32; a forward hook, called after those of FSDP.

    Raises:
        TypeError: an output has another floating-point type.
    """
    for name, output in outputs.items() if isinstance(outputs, Mapping) else ():
        is_number = isinstance(output, torch.Tensor) and output.is_floating_point()
        if is_number and output.dtype != torch.float32:
            raise TypeError(
                f"{name} of {type(model).__name__} is {output.dtype} in training, not float32: the"
                " loss would be computed from rounded numbers. Pass the arguments of the stage's"
                " trainer through training.runs.precision.complete_arguments"
            )
