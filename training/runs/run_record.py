"""The record of a training run: metrics, dropped examples, counts, in files beside its checkpoint.

The files are metrics.jsonl and run.json; a callback collects the metrics. Not here: training
(`training.runs.trainer`).
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from transformers import TrainerCallback

METRICS = {"step": pl.Int32, "epoch": pl.Float64, "metric": pl.String, "value": pl.Float64}
DROPPED = {"row_key": pl.String, "reason": pl.String, "evidence": pl.String}

Report = Callable[[int, int, dict[str, float]], None]
"""Called at every logged step with the step, the number of steps and the metrics."""


@dataclass(frozen=True)
class TrainingRun:
    """The record of a training run."""

    metrics: pl.DataFrame
    """One row per metric of a logged optimiser step: step, epoch, metric, value."""
    dropped: pl.DataFrame
    """One row per example that was not trained on: row_key, reason, evidence."""
    examples: int
    """Examples trained on."""
    steps: int
    """Optimiser steps."""
    elapsed_s: float
    """Wall-clock seconds, from loading the model to the saved checkpoint; where a run was killed,
    the seconds of its last attempt."""


class MetricsCallback(TrainerCallback):
    """Collect every logged metric, write it as it comes, and pass it on; stop a diverged run."""

    def __init__(self, file: Path, report: Report | None) -> None:
        """Append rows to `file` and call `report`, both on the main process only."""
        self.file = file
        self.report = report
        self.rows: list[dict[str, Any]] = []
        self.resumed = False

    def on_train_begin(self, args, state, control, **kwargs) -> None:  # noqa: D102
        self.resumed = bool(state.log_history)
        for logged in state.log_history if state.is_world_process_zero else ():
            self._keep(logged["step"], logged["epoch"], logged)  # by the attempt before this one

    def on_step_end(self, args, state, control, **kwargs):  # noqa: D102
        if state.global_step >= state.max_steps:
            control.should_log = True  # the last step, whatever logging_steps is
        return control

    def on_log(self, args, state, control, logs: Mapping[str, Any], **kwargs) -> None:  # noqa: D102
        if self.resumed and "train_runtime" in logs:
            return  # totals, of the last attempt only
        metrics = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
        epoch = metrics.pop("epoch", state.epoch)
        for name in ("loss", "grad_norm"):
            if not math.isfinite(metrics.get(name, 0.0)):
                raise FloatingPointError(
                    f"{name} is {metrics[name]} at step {state.global_step}: the run diverged;"
                    " lower learning_rate or look at the data"
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
    """Read the record of a run from its checkpoint's folder."""
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return TrainingRun(
        metrics=pl.read_ndjson(folder / "metrics.jsonl", schema=METRICS),
        dropped=pl.DataFrame(facts.pop("dropped"), schema=DROPPED),
        **facts,
    )


def write_run(run: TrainingRun, folder: Path) -> None:
    """Write run.json; the callback has written the metrics already."""
    facts = {
        "examples": run.examples,
        "steps": run.steps,
        "elapsed_s": run.elapsed_s,
        "dropped": run.dropped.to_dicts(),
    }
    (folder / "run.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
