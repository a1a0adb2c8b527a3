"""Forward passes of models in training, over packed rows, as TRL's trainers call them.

The arguments and outputs are those of TRL's and transformers' own forward passes, so that the
trainer's loss and metrics are unchanged. Logits are computed only where a loss reads them, in
slices. Not here: passes without gradients (`training.models.logps`, `training.models.rewards`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from types import MethodType
from typing import Any, cast

import torch
from accelerate.utils import is_peft_model
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel, Trainer
from transformers.modeling_outputs import SequenceClassifierOutputWithPast
from trl.kernels import ChunkedLogProbFunction
from trl.trainer.utils import FusedCausalLMOutput

from training.models.one_pass.backbone import run_backbone
from training.models.one_pass.families import prepare_one_pass
from training.models.one_pass.packed_rows import PackedRows, pack
from training.settings.training import TrainingSettings

NAMES = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")
"""What TRL's function returns per token, in its order; those that are not asked for are None."""
CPU_COLUMNS = 4096
"""Words of the vocabulary per slice of logits on a CPU. With TRL's size a slice of 400 tokens is
52 MB, larger than a core's cache, and the head takes 1.5 times as long (SmolLM2, measured)."""
GPU_COLUMNS = 32768
"""Words of the vocabulary per slice of logits for the GPU kernel: TRL's size."""


def pack_batch(input_ids: torch.Tensor, attention_mask: torch.Tensor, sides: int) -> PackedRows:
    """Pack a batch that is padded on the right.

    Args:
        input_ids: [rows, tokens]; rows i, i + rows / sides, ... are the sides of one example.
        attention_mask: [rows, tokens], 1 for tokens and 0 for padding.
        sides: rows of an example, which begin with the same prompt.

    Returns:
        The packed row; its places are in the order of the batch.
    """
    lengths = attention_mask.sum(1).tolist()
    rows = [row[:length] for row, length in zip(input_ids.tolist(), lengths, strict=True)]
    examples = len(rows) // sides
    packed = pack([rows[number::examples] for number in range(examples)], input_ids.device)
    places = packed.places.view(examples, sides, -1).transpose(0, 1).flatten(0, 1)
    return replace(packed, places=places)


def share_prompts(
    trainer: Trainer, settings: TrainingSettings, *, sides: int, outputs: tuple[str, ...]
) -> None:
    """Make a trainer's language model read packed rows, if it is tested for them.

    Args:
        trainer: a trainer of TRL whose model has a fused head; its model is changed.
        settings: those of the training.
        sides: rows of an example, see `pack_batch`.
        outputs: what the trainer reads per token, see `NAMES`.
    """
    model = _get_model(trainer)
    if prepare_one_pass(model, settings):
        pack_language_model(model, sides=sides, outputs=outputs)


def pack_language_model(model: PreTrainedModel, *, sides: int, outputs: tuple[str, ...]) -> None:
    """Replace the forward pass that TRL's `add_fused_lm_head` gives to a prepared model."""

    def forward(
        self: PreTrainedModel,
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        labels: torch.Tensor,
        fused_lm_head: bool,
        use_cache: bool = False,
        **others: Any,
    ) -> FusedCausalLMOutput:
        _require_unset(others)
        packed = pack_batch(input_ids, attention_mask, sides)
        mask = labels[:, 1:] != -100
        states = run_backbone(self, packed)[packed.places[:, :-1][mask]]
        head = self.get_output_embeddings()
        weight, bias = (
            part.full_tensor() if isinstance(part, DTensor) else part
            for part in (head.weight, head.bias)
        )
        columns = CPU_COLUMNS if states.device.type == "cpu" else GPU_COLUMNS
        found = ChunkedLogProbFunction.apply(
            states, weight, bias, labels[:, 1:][mask], 1.0, columns, None, 1.0, outputs
        )
        padded = {
            name: values
            if values is None
            else values.new_zeros(mask.shape).masked_scatter(mask, values)
            for name, values in zip(NAMES, found, strict=True)
        }
        return FusedCausalLMOutput(label_mask=mask, **padded)

    _replace_forward(model, forward)


def share_prompts_of_classifier(
    trainer: Trainer, settings: TrainingSettings, *, sides: int
) -> None:
    """Make a trainer's reward model read packed rows, as `share_prompts` does."""
    model = _get_model(trainer)
    if prepare_one_pass(model, settings):
        pack_classifier(model, sides=sides)


def pack_classifier(model: PreTrainedModel, *, sides: int) -> None:
    """Replace the forward pass of a prepared classifier with the head `score`."""

    def forward(
        self: PreTrainedModel,
        *,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        use_cache: bool = False,
        **others: Any,
    ) -> SequenceClassifierOutputWithPast:
        _require_unset(others)
        packed = pack_batch(input_ids, attention_mask, sides)
        # as in transformers: the last token that is not the pad token
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        last = ((input_ids != self.config.pad_token_id) * positions).argmax(1)
        states = run_backbone(self, packed)[packed.places.gather(1, last[:, None])[:, 0]]
        return SequenceClassifierOutputWithPast(logits=cast(torch.nn.Module, self.score)(states))

    _replace_forward(model, forward)


def _require_unset(others: dict[str, Any]) -> None:
    """Refuse further arguments of a forward pass; an adapter passes on None, or what is done."""
    done = {"return_dict": True}
    unknown = [name for name, value in others.items() if value not in (None, done.get(name))]
    if unknown:
        raise TypeError(f"a forward pass over packed rows has no arguments {', '.join(unknown)}")


def _get_model(trainer: Trainer) -> PreTrainedModel:
    """Return a trainer's model, without the adapter that is inside it."""
    model = cast(Any, trainer.model)
    return model.get_base_model() if is_peft_model(model) else model


def _replace_forward(model: PreTrainedModel, forward: Callable[..., Any]) -> None:
    """Replace a model's forward pass; its signature stays, from which trainers read columns."""
    wrapped = wraps(type(model).forward)(forward)
    model.forward = MethodType(wrapped, model)
