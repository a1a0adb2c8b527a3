"""A training run with TRL: its arguments, the examples that fit, the finished checkpoint folder.

Every stage that trains goes through `train`. Not here: a stage's loss and its rows (the stage), the
record of a run (`training.runs.run_record`).

Deviation 1 from TRL's defaults: examples longer than `max_tokens` are dropped and named, never cut;
a cut answer has no end of turn, and a cut prompt is another prompt. Deviation 2: batches hold
examples of similar length (less padding), in an order that the seed fixes.
"""

import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import torch
from accelerate import PartialState
from accelerate.utils import release_memory
from huggingface_hub import constants
from transformers import PrinterCallback, Trainer
from transformers.utils.logging import disable_progress_bar

from training.models.checkpoint import build_folder, save_settings
from training.runs.kept_checkpoints import KeptSteps, remove_pickle
from training.runs.run_record import (
    DROPPED,
    METRICS,
    MetricsCallback,
    Report,
    TrainingRun,
    write_run,
)
from training.runs.step_checkpoints import KEPT, train_resumably
from training.settings.training import TrainingSettings
from transforms.errors import InputError

# TRL reports every trainer that it makes to the hub; a run here sends nothing to anybody.
constants.HF_HUB_DISABLE_TELEMETRY = True


def build_trl_arguments(
    settings: TrainingSettings, output: Path, *, seed: int, dtype: str
) -> dict[str, Any]:
    """Return the arguments that SFTConfig, RewardConfig, DPOConfig and others share.

    Weights are held in float32 whatever `dtype` says; bfloat16 is the compute type (autocast). At
    learning rates near 5e-7 most updates of a bfloat16 weight would round to nothing.

    Raises:
        InputError: the settings were made for another number of processes.
    """
    processes = PartialState(cpu=not torch.cuda.is_available()).num_processes
    if processes != settings.processes:
        raise InputError(
            "the number of training processes does not fit the settings",
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
        # HF's "constant" schedule ignores the warm-up
        "lr_scheduler_type": "constant_with_warmup" if schedule == "constant" else schedule,
        "warmup_steps": settings.warmup_ratio,  # below 1 it is a share of the steps
        "weight_decay": settings.weight_decay,
        "max_length": None,  # longer examples are dropped before
        "gradient_checkpointing": settings.gradient_checkpointing,
        "bf16": dtype == "bfloat16",
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "train_sampling_strategy": "group_by_length",
        "remove_unused_columns": False,  # the sampler reads the column `length`
        "logging_steps": settings.logging_steps,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # a diverging loss must be seen
        "save_strategy": "no",  # `StepCheckpoints` decides
        "save_total_limit": KEPT,
        "report_to": "none",
        "disable_tqdm": not sys.stderr.isatty(),
    }


def keep_fitting(
    examples: pl.DataFrame, max_tokens: int, key: str
) -> tuple[datasets.Dataset, pl.DataFrame]:
    """Split tokenised examples into a dataset of those that fit and a table of those that do not.

    Args:
        examples: columns `key`, `length` (tokens of the longest sequence) and token ids.
        max_tokens: longest example.
        key: column that names an example.

    Returns:
        The dataset, without `key`, and the dropped rows (`DROPPED`).

    Raises:
        InputError: no example fits.
    """
    too_long = pl.col("length") > max_tokens
    dropped = examples.filter(too_long).select(
        pl.col(key).alias("row_key"),
        pl.lit("too_long").alias("reason"),
        pl.format("{} tokens, at most {}", "length", pl.lit(max_tokens)).alias("evidence"),
    )
    kept = examples.filter(~too_long).drop(key)
    if kept.is_empty():
        raise InputError(
            "there is nothing to train on",
            expected=f"examples of at most {max_tokens} tokens",
            found=f"{examples.height} examples, none as short",
            remedy="check the table, or raise max_tokens",
        )
    return datasets.Dataset(kept.to_arrow()), dropped.cast(DROPPED)


def train(
    build: Callable[[Path], Trainer],
    output: Path,
    settings: TrainingSettings,
    *,
    dropped: pl.DataFrame,
    started: float,
    report: Report | None,
) -> TrainingRun:
    """Build a TRL trainer, run it, and put the finished checkpoint in its place.

    The folder holds weights (safetensors), tokenizer, settings.json, metrics.jsonl and run.json.
    Step checkpoints (`training.runs.step_checkpoints`) are kept beside it until then: a run that
    was killed goes on from the last one if rows, settings, seed and starting weights are the same.

    Args:
        build: makes the trainer, given the folder that is its `output_dir`, of step checkpoints. It
            alone holds the model, so that its memory is free when this returns.
        output: the checkpoint folder; replaced at the end, untouched by an interrupted run.
        settings: written beside the weights.
        dropped: examples that were left out (`DROPPED`).
        started: `time.perf_counter()` when the stage began.
        report: called at every logged step.
    """
    state = PartialState(cpu=not torch.cuda.is_available())
    steps = output.parent / f".{output.name}.steps"
    with build_folder(
        output, main_process=state.is_main_process, wait=state.wait_for_everyone
    ) as folder:
        if not sys.stderr.isatty():
            disable_progress_bar()  # of transformers, which draws one for every file
        callback = MetricsCallback(folder / "metrics.jsonl", report)
        trainer = build(steps)
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(callback)
        trainer.add_callback(KeptSteps(trainer, output, settings))
        train_resumably(trainer, steps, settings)
        trainer.save_model(str(folder))
        run = TrainingRun(
            metrics=pl.DataFrame(callback.rows, schema=METRICS),
            dropped=dropped,
            examples=len(trainer.train_dataset),
            steps=trainer.state.global_step,
            elapsed_s=time.perf_counter() - started,
        )
        if state.is_main_process:
            remove_pickle(folder)
            save_settings(folder, settings.model_dump(mode="json"))
            write_run(run, folder)
    if state.is_main_process:
        shutil.rmtree(steps)
    del trainer
    release_memory()  # collects cycles and empties the device cache
    return run
