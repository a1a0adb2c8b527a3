"""Kept checkpoints: the weights after a share of a training's steps, as model folders.

Not here: step checkpoints, from which a killed run goes on (`training.runs.step_checkpoints`): they
hold the optimiser, too, and are removed in the end. A kept checkpoint is complete before the step
checkpoint of the same step, so that a run that goes on from there has it.
"""

import math
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import Trainer, TrainerCallback

from training.models.checkpoint import build_folder, save_settings
from training.settings.training import TrainingSettings


def locate_kept_folder(output: Path, share: float) -> Path:
    """Return the folder of the weights after a share of the steps, beside the finished one."""
    return output.with_name(f"{output.name}@{share:g}")


def remove_pickle(folder: Path) -> None:
    """Remove the arguments that `Trainer.save_model` pickles; settings.json holds the settings."""
    (folder / "training_args.bin").unlink()


class KeptSteps(TrainerCallback):
    """Save the model at the steps that the settings' `kept_shares` name, rounded up."""

    def __init__(self, trainer: Trainer, output: Path, settings: TrainingSettings) -> None:
        """Name the trainer whose model is saved, and the folder of the finished checkpoint."""
        self._trainer, self._output, self._settings = trainer, output, settings

    def on_step_end(self, args, state, control, **kwargs) -> None:  # noqa: D102
        for share in self._settings.kept_shares:
            if state.global_step == math.ceil(share * state.max_steps):
                self._save(locate_kept_folder(self._output, share))

    def _save(self, output: Path) -> None:
        process = PartialState(cpu=not torch.cuda.is_available())
        with build_folder(
            output, main_process=process.is_main_process, wait=process.wait_for_everyone
        ) as folder:
            self._trainer.save_model(str(folder))
            if process.is_main_process:
                remove_pickle(folder)
                save_settings(folder, self._settings.model_dump(mode="json"))
