"""A training run with TRL: shared arguments, examples that fit, the finished checkpoint folder.

Every training stage uses `train`. Not here: the loss and the rows of a stage (its own module), the
record of a run (`training.runs.run_record`).

Deviation 1 from TRL's defaults: examples longer than `max_tokens` are dropped and recorded, never
cut. A cut answer has no end of turn, and a cut prompt is another prompt. Deviation 2: a batch
contains examples of similar length (less padding), in an order that the seed decides.
"""

import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import datasets
import polars as pl
import torch
from accelerate import PartialState
from accelerate.utils import release_memory
from huggingface_hub import constants
from transformers import PrinterCallback, Trainer

from training.models.checkpoint import build_folder, save_settings
from training.runs.adapters import Load, keep_adapter_in_float32, save_whole_model
from training.runs.environment import read_environment
from training.runs.examples import Make, Rows, open_examples
from training.runs.kept_checkpoints import KeptSteps
from training.runs.precision import OutputCheck
from training.runs.run_record import (
    METRICS,
    MetricsCallback,
    Report,
    TrainingRun,
    write_run,
)
from training.runs.step_checkpoints import train_resumably
from training.runs.trackers import build_tracking_arguments
from training.settings.training import KEPT_STEPS, TrainingSettings
from transforms.errors import InputError

# TRL reports every new trainer to the hub. Runs here send no data to anyone.
constants.HF_HUB_DISABLE_TELEMETRY = True

OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}
"""Names that transformers has for the settings `optimizer`."""


def build_trl_arguments(
    settings: TrainingSettings, output: Path, *, seed: int, dtype: str
) -> dict[str, Any]:
    """Build the arguments that SFTConfig, RewardConfig, DPOConfig and others share.

    Trained weights are float32 for every `dtype`; bfloat16 is only the compute type
    (`training.runs.precision`). At learning rates near 5e-7 most updates of a bfloat16 weight would
    be rounded to zero.

    Raises:
        InputError: the settings are for another number of processes.
    """
    processes = PartialState(cpu=not torch.cuda.is_available()).num_processes
    if processes != settings.processes:
        raise InputError(
            "the number of training processes differs from the settings",
            expected=f"processes: {settings.processes}",
            found=f"{processes} running",
            remedy=f"set processes to {processes}, or launch {settings.processes}",
        )
    schedule = settings.schedule
    return {
        "output_dir": str(output),
        "seed": seed,
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "per_device_train_batch_size": settings.micro_batch_size,
        "gradient_accumulation_steps": settings.batch_size
        // (settings.micro_batch_size * processes),
        # transformers' "constant" schedule ignores the warm-up
        "lr_scheduler_type": "constant_with_warmup" if schedule == "constant" else schedule,
        "warmup_steps": settings.warmup_ratio,  # below 1 it is a share of the steps
        "weight_decay": settings.weight_decay,
        "max_length": None,  # longer examples were dropped before
        "gradient_checkpointing": settings.gradient_checkpointing,
        "optim": OPTIMIZERS[settings.optimizer],
        "torch_compile": settings.torch_compile,
        "bf16": dtype == "bfloat16",
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "train_sampling_strategy": "group_by_length",
        "remove_unused_columns": False,  # the sampler reads the column `length`
        "logging_steps": settings.logging_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # a diverging loss must be logged
        "save_strategy": "no",  # `StepCheckpoints` requests them
        "save_total_limit": KEPT_STEPS,
        **build_tracking_arguments(),
        "disable_tqdm": not sys.stderr.isatty(),
    }


def train(
    build: Callable[[Path, datasets.Dataset], Trainer],
    output: Path,
    settings: TrainingSettings,
    rows: Rows | Path,
    load_maker: Callable[[], Make],
    *,
    load: Load,
    started: float,
    report: Report | None,
) -> TrainingRun:
    """Open the examples, build a TRL trainer, run it, and write the finished checkpoint folder.

    The folder contains weights (safetensors), tokenizer, settings.json, metrics.jsonl and run.json.
    Until it is finished, step checkpoints (`training.runs.step_checkpoints`) are kept in a folder
    next to it. A run that was killed resumes from the last one if rows, settings, seed and starting
    weights are the same.

    Args:
        build: makes the trainer; its arguments are the folder of step checkpoints, which is the
            trainer's `output_dir`, and the examples. Only the trainer refers to the model, so that
            the model's memory is free when this function returns.
        output: the checkpoint folder; replaced at the end, unchanged by an interrupted run.
        settings: written into the folder.
        rows: the stage's rows, or the folder of their examples.
        load_maker: returns the function that makes the examples (`training.runs.examples`).
        load: loads the weights that the trainer starts from, to merge an adapter into them.
        started: `time.perf_counter()` when the stage began.
        report: called at every logged step.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    steps = output.parent / f".{output.name}.steps"
    with (
        open_examples(rows, output, load_maker) as examples,
        build_folder(
            output, main_process=state.is_main_process, wait=state.wait_for_everyone
        ) as folder,
    ):
        callback = MetricsCallback(folder / "metrics.jsonl", report)
        trainer = build(steps, examples.dataset)
        if settings.count_steps(len(cast(datasets.Dataset, trainer.train_dataset))) == 1:
            # a warm-up begins at a learning rate of 0, and there is no second step
            trainer.args.warmup_steps = 0
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(callback)
        keep_adapter_in_float32(cast(torch.nn.Module, trainer.model))
        trainer.add_callback(OutputCheck(trainer))
        save = partial(save_whole_model, trainer, load)
        trainer.add_callback(KeptSteps(save, output, settings))
        train_resumably(trainer, steps, settings)
        save(folder)
        run = TrainingRun(
            metrics=pl.DataFrame(callback.rows, schema=METRICS),
            dropped=examples.dropped,
            fitting=len(examples.dataset),
            examples=len(cast(datasets.Dataset, trainer.train_dataset)),
            steps=trainer.state.global_step,
            elapsed_s=time.perf_counter() - started,
            environment=read_environment(),
        )
        if state.is_main_process:
            save_settings(folder, settings.model_dump(mode="json"))
            write_run(run, folder)
    if state.is_main_process:
        shutil.rmtree(steps)
    del trainer, save
    release_memory()  # collects cycles and empties the device cache
    return run
