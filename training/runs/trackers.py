"""Trackers of trainings and of the loop: TensorBoard, Weights & Biases, MLflow, trackio.

The callbacks of transformers send the metrics. They read project and folder from the environment,
which the processes of `accelerate launch` inherit, so the choice of trackers and the name of the
run are there, too. Importing this module loads no torch. Not here: the table `training_metrics`
(`training.runs.run_record`).
"""

import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transforms.errors import InputError

TRACKERS: Mapping[str, Sequence[str]] = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
}
"""Modules of each tracker; one of them is enough."""

CHOSEN, PROJECT, RUN = "PREFLOOP_TRACKERS", "PREFLOOP_PROJECT", "PREFLOOP_RUN"
"""Variables of the environment: trackers, separated by commas; names of the study and the run."""

VARIABLES = (
    CHOSEN,
    PROJECT,
    RUN,
    "TENSORBOARD_LOGGING_DIR",
    "WANDB_PROJECT",
    "MLFLOW_EXPERIMENT_NAME",
)
"""Variables that a training process on another machine needs; none is a secret."""


def require_trackers(trackers: Sequence[str]) -> None:
    """Refuse trackers that are not installed.

    Raises:
        InputError: the first one that is missing.
    """
    for name in trackers:
        if not any(map(find_spec, TRACKERS[name])):
            raise InputError(
                f"the tracker {name} is not installed",
                expected=f"the module {' or '.join(TRACKERS[name])}",
                found="no such module in this environment",
                remedy=f"pip install {name}, or remove it from report_to",
            )


@contextmanager
def track_run(trackers: Sequence[str], study: str, run: str, folder: Path) -> Iterator[None]:
    """Send the metrics of the trainings in the body to trackers.

    Args:
        trackers: names in `TRACKERS`; none: nothing is sent.
        study: project of the run; a project that the environment already names goes first.
        run: name of the run, such as `iterative/iteration_1/policy`.
        folder: folder of TensorBoard's files; each run has its own folder there.
    """
    if not trackers:
        yield
        return
    values = (
        ",".join(trackers),
        study,
        run,
        str(folder / run),
        os.environ.get("WANDB_PROJECT", study),
        os.environ.get("MLFLOW_EXPERIMENT_NAME", study),
    )
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(zip(VARIABLES, values, strict=True))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
        if (wandb := sys.modules.get("wandb")) is not None:
            wandb.finish()  # else the next training in this process would continue its run


def send_points(points: Collection[tuple[int, Mapping[str, float]]]) -> None:
    """Send figures that no training logs to the trackers of `track_run`.

    Args:
        points: step and figures by name, in the order of the steps.
    """
    arguments = build_tracking_arguments()
    # slow to import
    from transformers import TrainerControl, TrainerState, TrainingArguments
    from transformers.integrations import get_reporting_integration_callbacks

    args = TrainingArguments(output_dir=os.environ[RUN], use_cpu=True, **arguments)
    control = TrainerControl()
    for callback in get_reporting_integration_callbacks(arguments["report_to"]):
        tracker, state = callback(), TrainerState(is_world_process_zero=True)
        tracker.on_train_begin(args, state, control)
        for step, figures in points:
            state.global_step = step
            tracker.on_log(args, state, control, logs=dict(figures))
        tracker.on_train_end(args, state, control)


def build_tracking_arguments() -> dict[str, Any]:
    """Build the arguments of a trainer for the trackers of `track_run`."""
    trackers = [name for name in os.environ.get(CHOSEN, "").split(",") if name]
    if not trackers:
        return {"report_to": "none"}
    return {
        "report_to": trackers,
        "run_name": os.environ[RUN],
        "project": os.environ[PROJECT],  # read by trackio
    }
