"""Trainings with packed rows against the same trainings with padded rows."""

import pytest

from training.models.one_pass import families

SETTINGS = {
    "learning_rate": 1e-3,
    "max_steps": 2,
    "batch_size": 4,
    "micro_batch_size": 4,
    "logging_steps": 1,
}
SPEEDS = ("train_runtime", "train_samples_per_second", "train_steps_per_second")


@pytest.mark.parametrize("stage", ["dpo", "kto", "reward_model"])
def test_losses_and_metrics_are_those_of_padded_rows(prepare_stage, stage, tmp_path, monkeypatch):
    found = {}
    said = []
    monkeypatch.setattr(families.LOGGER, "warning", lambda text, *args: said.append(text % args))
    for name, attention in (("packed", None), ("padded", "sdpa")):
        said.clear()
        train = prepare_stage(stage, **SETTINGS, attn_implementation=attention)
        metrics = train(output=tmp_path / name).metrics
        found[name] = {
            (step, metric): value
            for step, metric, value in metrics.select("step", "metric", "value").rows()
            if metric not in SPEEDS
        }
        assert ("attn_implementation is set" in "".join(said)) == (name == "padded")
    assert len(found["packed"]) >= 20
    assert found["packed"] == pytest.approx(found["padded"], rel=1e-4, abs=1e-5)
