"""The record of a training run: metrics, dropped examples and counts.

The checkpoint folder has it as metrics.jsonl and run.json; a callback collects the metrics. Not
here: training (`training.runs.trainer`).
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from training.models.token_counts import DROPPED

METRICS = pl.Schema(
    {"step": pl.Int32, "epoch": pl.Float64, "metric": pl.String, "value": pl.Float64}
)

Report = Callable[[int, int, dict[str, float]], None]
"""Called at every logged step with the step, the number of steps and the metrics."""


@dataclass(frozen=True)
class TrainingRun:
    """The record of a training run."""

    metrics: pl.DataFrame
    """One row per metric of a logged optimiser step: step, epoch, metric, value."""
    dropped: pl.DataFrame
    """One row per example that was not trained on: row_key, reason, evidence."""
    fitting: int
    """Examples that fit, before they are packed."""
    examples: int
    """Examples trained on: those that fit; with packing, blocks of them."""
    steps: int
    """Optimiser steps."""
    elapsed_s: float
    """Wall-clock seconds from loading the model to the saved checkpoint; for a run that was killed
    and resumed, the seconds of its last attempt."""
    environment: Mapping[str, Any]
    """Threads, processor and libraries (`training.runs.environment`)."""


class MetricsCallback(TrainerCallback):
    """Collect, write and report every logged metric; stop a run that diverges."""

    def __init__(self, file: Path, report: Report | None) -> None:
        """Store the file that rows are appended to, and the report; the main process uses both."""
        self.file = file
        self.report = report
        self.rows: list[dict[str, Any]] = []
        self.resumed = False

    def on_train_begin(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.resumed = bool(state.log_history)
        for logged in state.log_history if state.is_world_process_zero else ():
            self._keep(int(logged["step"]), logged["epoch"], logged)  # logged by an earlier attempt

    def on_step_end(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        if state.global_step >= state.max_steps:
            control.should_log = True  # also log the last step
        return control

    def on_log(  # noqa: D102
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        logs: Mapping[str, Any] = kwargs["logs"]
        if self.resumed and "train_runtime" in logs:
            return  # these totals are of the last attempt only
        metrics = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
        epoch = metrics.pop("epoch", state.epoch)
        for name in ("loss", "grad_norm"):
            if not math.isfinite(metrics.get(name, 0.0)):
                raise FloatingPointError(
                    f"{name} is {metrics[name]} at step {state.global_step}: the run diverged;"
                    " lower learning_rate or check the data"
                )
        if not state.is_world_process_zero:
            return
        self._keep(state.global_step, epoch, metrics)
        if self.report is not None:
            self.report(state.global_step, state.max_steps, metrics)

    def _keep(self, step: int, epoch: float, metrics: Mapping[str, float]) -> None:
        rows = [
            {"step": step, "epoch": epoch, "metric": name, "value": value}
            for name, value in metrics.items()
            if name not in ("step", "epoch") and math.isfinite(value)
        ]
        self.rows += rows
        with self.file.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in rows)


def read_run(folder: Path) -> TrainingRun:
    """Read the record of a run from its checkpoint folder."""
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    facts.setdefault("fitting", facts["examples"])  # not in records before 2026-11-30
    return TrainingRun(
        metrics=pl.read_ndjson(folder / "metrics.jsonl", schema=METRICS),
        dropped=pl.DataFrame(facts.pop("dropped"), schema=DROPPED),
        **facts,
    )


def write_run(run: TrainingRun, folder: Path) -> None:
    """Write run.json; the callback has already written the metrics."""
    facts = {
        "fitting": run.fitting,
        "examples": run.examples,
        "steps": run.steps,
        "elapsed_s": run.elapsed_s,
        "environment": run.environment,
        "dropped": run.dropped.to_dicts(),
    }
    (folder / "run.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
