"""Kept checkpoints: model folders with the weights after a share of a training's steps.

A kept checkpoint is complete before the step checkpoint of the same step is written, so a run that
resumes from that step has it. Not here: step checkpoints (`training.runs.step_checkpoints`), which
also contain the optimiser and are deleted when the training ends.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from training.models.checkpoint import build_folder, save_settings
from training.settings.training import TrainingSettings


def locate_kept_folder(output: Path, share: float) -> Path:
    """Return the folder of the weights after a share of the steps: `<output>@<share>`."""
    return output.with_name(f"{output.name}@{share:g}")


class KeptSteps(TrainerCallback):
    """Save the model after each share of the steps in `kept_shares`, rounded up to a step."""

    def __init__(
        self, save: Callable[[Path], None], output: Path, settings: TrainingSettings
    ) -> None:
        """Store what saves the model into a folder, the final folder and the settings."""
        self._save_model, self._output, self._settings = save, output, settings

    def on_step_end(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        for share in self._settings.kept_shares:
            if state.global_step == math.ceil(share * state.max_steps):
                self._save(locate_kept_folder(self._output, share))

    def _save(self, output: Path) -> None:
        process = PartialState(cpu=not torch.cuda.is_available())
        with build_folder(
            output, main_process=process.is_main_process, wait=process.wait_for_everyone
        ) as folder:
            self._save_model(folder)
            if process.is_main_process:
                save_settings(folder, self._settings.model_dump(mode="json"))
