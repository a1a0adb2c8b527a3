"""Step checkpoints: a killed training resumes and ends with the weights of an uninterrupted one.

Transformers 5.19 writes weights (safetensors), optimiser, schedule and random states (torch.save,
read back with weights_only=True: no pickled code runs); under FSDP the weights, too, are written
with torch.save. On resumption it skips the batches of the epoch that were seen. But it makes a new
order for the epoch from torch's generator, and the state of that generator at the start of the
epoch is in none of its files. After a kill in the second epoch the batches would differ. This
module stores that state in an extra file. The file is written last, so a checkpoint without it is
incomplete. Not here: training (`training.runs.trainer`).
"""

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset
from transformers import (
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from trl.trainer.utils import hash_module

from training.settings.training import TrainingSettings

COMPLETE = "complete.json"
"""The file that is written last: run id, sizes of the other files, generator state of the epoch."""


@dataclass(frozen=True)
class StepCheckpoint:
    """A complete step checkpoint."""

    folder: Path
    order: torch.Tensor
    """State of torch's generator that determines the order of the current epoch, uint8."""
    log: list[dict[str, Any]]
    """Metrics of every logged step so far."""

    @classmethod
    def read(cls, folder: Path, run_id: str) -> Self | None:
        """Read a checkpoint; return None if it is incomplete, damaged, or of another run."""
        if not (folder / COMPLETE).is_file():
            return None
        facts = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        if facts["run_id"] != run_id or facts["bytes"] != _measure_files(folder):
            return None
        log = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
        order = torch.frombuffer(bytearray.fromhex(facts["order"]), dtype=torch.uint8)
        return cls(folder, order, log)


def find_last(folder: Path, run_id: str) -> StepCheckpoint | None:
    """Find the newest usable checkpoint in a folder; remove all others."""
    usable = None
    for path in sorted(folder.glob("checkpoint-*"), key=_read_step, reverse=True):
        found = None if usable else StepCheckpoint.read(path, run_id)
        if found:
            usable = found
        else:
            shutil.rmtree(path)
    return usable


def hash_run(trainer: Trainer, settings: TrainingSettings) -> str:
    """Hash the inputs of a run: stage, weights, rows in their order, settings, seed, compute type.

    The rows of DPO and KTO contain the reference's log-probabilities, so the hash covers the
    reference, too.
    """
    facts = {
        "stage": type(trainer).__name__,
        "weights": hash_module(cast(torch.nn.Module, trainer.model)),
        "settings": settings.dump_decisive(),
        "seed": trainer.args.seed,
        "bfloat16": trainer.args.bf16,
    }
    hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    rows = cast(Dataset, trainer.train_dataset).with_format("arrow")
    for batch in rows.iter(batch_size=1024):
        for record_batch in batch.combine_chunks().to_batches():
            hashed.update(record_batch.serialize())
    return hashed.hexdigest()[:32]


def train_resumably(trainer: Trainer, folder: Path, settings: TrainingSettings) -> None:
    """Train; resume from the last step checkpoint in a folder if it is of the same run.

    Args:
        trainer: a TRL trainer whose `output_dir` is the folder.
        folder: folder of step checkpoints; checkpoints of other runs are removed.
        settings: with `checkpoint_steps` null, training starts at the first step and writes no
            step checkpoints.
    """
    if settings.checkpoint_steps is None:
        trainer.train()
        return
    found: list[Any] = [None, None]
    if trainer.is_world_process_zero():
        name = hash_run(trainer, settings)
        found = [name, find_last(folder, name)]
    name, last = broadcast_object_list(found)
    # Between two logged steps, transformers and TRL keep sums that are in no checkpoint.
    every = math.ceil(settings.checkpoint_steps / settings.logging_steps) * settings.logging_steps
    trainer.add_callback(StepCheckpoints(name, every, last))
    if trainer.is_fsdp_enabled:
        _save_weights_once(trainer)
    if last is not None:
        # TRL would count from 0 again. The attribute is of TRL's trainers.
        trainer._total_train_tokens = last.log[-1]["num_tokens"]  # type: ignore[attr-defined]
    trainer.train(resume_from_checkpoint=str(last.folder) if last else None)


def _save_weights_once(trainer: Trainer) -> None:
    """Leave the model folder out of step checkpoints; under FSDP it has the same weights again."""
    save = trainer.save_model

    def save_finished(output_dir: str | None = None, _internal_call: bool = False) -> None:
        if not _internal_call:  # not by the trainer itself, for a step checkpoint
            save(output_dir)

    trainer.save_model = save_finished  # type: ignore[method-assign]


class StepCheckpoints(TrainerCallback):
    """Request step checkpoints, complete them, and restore the order of a resumed epoch."""

    def __init__(self, run_id: str, every: int, last: StepCheckpoint | None) -> None:
        """Store the run id, the steps between checkpoints, and the checkpoint to resume from."""
        self._run_id, self._every = run_id, every
        self._resumed = last.order if last else None
        self._order = torch.get_rng_state()

    def on_epoch_begin(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._resumed is not None:
            torch.set_rng_state(self._resumed)
            self._resumed = None
        self._order = torch.get_rng_state()

    def on_step_end(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if state.global_step % self._every == 0 and state.global_step < state.max_steps:
            control.should_save = True
        return control

    def on_save(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        PartialState().wait_for_everyone()  # each process writes its own random state
        if not state.is_world_process_zero:
            return
        folder = Path(cast(str, args.output_dir)) / f"checkpoint-{state.global_step}"
        # a pickle; settings.json has the settings
        (folder / "training_args.bin").unlink(missing_ok=True)
        # After an epoch's last step, the current state of the generator determines the next order.
        order = torch.get_rng_state() if float(state.epoch).is_integer() else self._order
        facts = {
            "run_id": self._run_id,
            "order": order.numpy().tobytes().hex(),
            "bytes": _measure_files(folder),
        }
        unfinished = folder / f".{COMPLETE}"
        unfinished.write_text(json.dumps(facts), encoding="utf-8")
        unfinished.rename(folder / COMPLETE)


def _read_step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _measure_files(folder: Path) -> dict[str, int]:
    """Return the bytes of a checkpoint's files by relative name, without `COMPLETE`."""
    return {
        str(file.relative_to(folder)): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != COMPLETE
    }
