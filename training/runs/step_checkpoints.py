"""Step checkpoints, from which a killed training goes on to the weights of an undisturbed one.

Not here: training (`training.runs.trainer`).

Transformers 5.19 writes weights (safetensors), optimiser, schedule and random states (torch.save,
read back with weights_only=True: no pickled code runs), and skips the batches of the epoch that
were seen. But it draws the epoch's order anew, from torch's generator, whose state at the start of
the epoch is in no file; after a kill in the second epoch the batches would be others. The state is
kept here, in a file that is written last: a checkpoint without it is half-written.
"""

import hashlib
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import Trainer, TrainerCallback
from trl.trainer.utils import hash_module

from training.settings.training import TrainingSettings

COMPLETE = "complete.json"
"""File of a finished step checkpoint: the run, the sizes of the other files, the epoch's order."""
KEPT = 2
"""Finished step checkpoints on disk: the newest is not trusted before its last file is there."""


@dataclass(frozen=True)
class StepCheckpoint:
    """A complete step checkpoint."""

    folder: Path
    order: torch.Tensor
    """State of torch's generator from which the order of the current epoch is drawn, uint8."""
    log: list[dict[str, Any]]
    """Metrics of every logged step so far."""

    @classmethod
    def read(cls, folder: Path, run_id: str) -> Self | None:
        """Read a checkpoint; None if it is half-written, damaged, or of another run."""
        if not (folder / COMPLETE).is_file():
            return None
        facts = json.loads((folder / COMPLETE).read_text(encoding="utf-8"))
        if facts["run_id"] != run_id or facts["bytes"] != _sizes(folder):
            return None
        log = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
        order = torch.frombuffer(bytearray.fromhex(facts["order"]), dtype=torch.uint8)
        return cls(folder, order, log)


def find_last(folder: Path, run_id: str) -> StepCheckpoint | None:
    """Find the newest usable checkpoint in a folder; every other one is removed."""
    usable = None
    for path in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        found = None if usable else StepCheckpoint.read(path, run_id)
        if found:
            usable = found
        else:
            shutil.rmtree(path)
    return usable


def hash_run(trainer: Trainer, settings: TrainingSettings) -> str:
    """Identify a run by its inputs: stage, weights, rows in their order, settings, seed, type.

    The rows of DPO hold the reference's log-probabilities, so that its reference enters, too.
    """
    facts = {
        "stage": type(trainer).__name__,
        "weights": hash_module(trainer.model),
        "settings": settings.dump_decisive(),
        "seed": trainer.args.seed,
        "bfloat16": trainer.args.bf16,
    }
    hashed = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for batch in trainer.train_dataset.with_format("arrow").iter(batch_size=1024):
        for record_batch in batch.combine_chunks().to_batches():
            hashed.update(record_batch.serialize())
    return hashed.hexdigest()[:32]


def train_resumably(trainer: Trainer, folder: Path, settings: TrainingSettings) -> None:
    """Train; from the last step checkpoint in a folder if it is of the same run.

    Args:
        trainer: a TRL trainer whose `output_dir` is the folder.
        folder: of step checkpoints; checkpoints of other runs are removed.
        settings: checkpoint_steps; null trains from the start and writes none.
    """
    if settings.checkpoint_steps is None:
        trainer.train()
        return
    found: list[Any] = [None, None]
    if trainer.is_world_process_zero():
        name = hash_run(trainer, settings)
        found = [name, find_last(folder, name)]
    name, last = broadcast_object_list(found)
    trainer.add_callback(StepCheckpoints(name, settings, last))
    if last is not None:
        trainer._total_train_tokens = last.log[-1]["num_tokens"]  # TRL would count from here
    trainer.train(resume_from_checkpoint=str(last.folder) if last else None)


class StepCheckpoints(TrainerCallback):
    """Have step checkpoints written, complete them, and give a resumed epoch its order back."""

    def __init__(
        self, run_id: str, settings: TrainingSettings, last: StepCheckpoint | None
    ) -> None:
        """Take the run's identifier, its settings, and the checkpoint from which it goes on."""
        self._run_id = run_id
        # between two logged steps, transformers and TRL hold sums that no checkpoint has
        every, logged = settings.checkpoint_steps, settings.logging_steps
        self._every = math.ceil(every / logged) * logged
        self._resumed = last.order if last else None
        self._order = torch.get_rng_state()

    def on_epoch_begin(self, args, state, control, **kwargs):  # noqa: D102
        if self._resumed is not None:
            torch.set_rng_state(self._resumed)
            self._resumed = None
        self._order = torch.get_rng_state()

    def on_step_end(self, args, state, control, **kwargs):  # noqa: D102
        if state.global_step % self._every == 0 and state.global_step < state.max_steps:
            control.should_save = True
        return control

    def on_save(self, args, state, control, **kwargs):  # noqa: D102
        PartialState().wait_for_everyone()  # each process writes its random state
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / "training_args.bin").unlink()  # a pickle; settings.json holds the settings
        # after an epoch's last step the next epoch's order depends on the generator's present state
        order = torch.get_rng_state() if float(state.epoch).is_integer() else self._order
        facts = {
            "run_id": self._run_id,
            "order": order.numpy().tobytes().hex(),
            "bytes": _sizes(folder),
        }
        unfinished = folder / f".{COMPLETE}"
        unfinished.write_text(json.dumps(facts), encoding="utf-8")
        unfinished.rename(folder / COMPLETE)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _sizes(folder: Path) -> dict[str, int]:
    """Sizes of a checkpoint's files by relative name, bytes; the one that holds them left out."""
    return {
        str(file.relative_to(folder)): file.stat().st_size
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != COMPLETE
    }
