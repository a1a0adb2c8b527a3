"""Metrics of a real training reach a tracker; the tracker is a callback that keeps them."""

import os
from typing import ClassVar

import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from training.runs import trackers
from training.runs.trackers import (
    build_tracking_arguments,
    require_trackers,
    send_points,
    track_run,
)
from training.settings.stages import SFTSettings
from training.sft import train_sft
from transforms.errors import InputError


class Recorder(TrainerCallback):
    seen: ClassVar[list[tuple[str, str, int, str, float]]] = []

    def on_log(self, args, state, control, logs, **_):
        place = os.environ["TENSORBOARD_LOGGING_DIR"]
        self.seen += [
            (args.run_name, place, state.global_step, name, logs[name])
            for name in ("loss", "sampled/reward")
            if name in logs
        ]


def test_the_metrics_of_a_training_reach_the_tracker(
    tiny_policy, demonstrations, tmp_path, monkeypatch
):
    monkeypatch.setattr(Recorder, "seen", [])
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", Recorder)
    settings = SFTSettings(max_steps=1, batch_size=4, micro_batch_size=4, max_tokens=32)
    with track_run(["tensorboard"], "study", "e/iteration_1/policy", tmp_path / "board"):
        run = train_sft(
            demonstrations, tiny_policy, tmp_path / "sft", settings, seed=0, dtype="float32"
        )
    with track_run(["tensorboard"], "study", "e/evaluation", tmp_path / "board"):
        send_points([(1, {"sampled/reward": 0.5}), (2, {"sampled/reward": 1.5})])
    loss = run.metrics.filter(metric="loss")["value"].item()
    board = tmp_path / "board" / "e"
    policy, evaluation = (
        ("e/iteration_1/policy", str(board / "iteration_1" / "policy")),
        (
            "e/evaluation",
            str(board / "evaluation"),
        ),
    )
    assert Recorder.seen == [
        (*policy, 1, "loss", loss),
        (*evaluation, 1, "sampled/reward", 0.5),
        (*evaluation, 2, "sampled/reward", 1.5),
    ]


def test_a_run_leaves_the_environment_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    before = dict(os.environ)
    with track_run(["wandb", "mlflow"], "study", "e/sft_policy", tmp_path):
        assert build_tracking_arguments() == {
            "report_to": ["wandb", "mlflow"],
            "run_name": "e/sft_policy",
            "project": "study",
        }
        assert os.environ["WANDB_PROJECT"] == "mine"
        assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "study"
    assert dict(os.environ) == before
    with track_run([], "study", "e/sft_policy", tmp_path):
        assert build_tracking_arguments() == {"report_to": "none"}


def test_a_tracker_that_is_not_installed_is_refused(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    require_trackers([])
    with pytest.raises(InputError, match="pip install mlflow"):
        require_trackers(["mlflow"])


def test_transformers_has_every_tracker():
    assert set(trackers.TRACKERS) <= set(integration_utils.INTEGRATION_TO_CALLBACK)
