import subprocess
import sys

import polars as pl
import pytest

from training.checkpoint import checkpoint_id, require_model
from training.dpo import train_dpo
from training.launch import launch
from training.settings import DPOSettings

SETTINGS = DPOSettings(
    learning_rate=1e-3,
    max_steps=2,
    batch_size=8,
    micro_batch_size=4,
    max_tokens=32,
    logging_steps=1,
)


def test_one_process_calls_the_stage(tiny_policy, preference_pairs, tmp_path):
    models = {"start": tiny_policy, "reference": tiny_policy}
    launch("dpo", preference_pairs, tmp_path / "a", SETTINGS, seed=0, dtype="float32", **models)
    train_dpo(
        preference_pairs,
        output=tmp_path / "b",
        settings=SETTINGS,
        seed=0,
        dtype="float32",
        **models,
    )
    assert checkpoint_id(tmp_path / "a") == checkpoint_id(tmp_path / "b")


def test_importing_the_launcher_loads_no_torch():
    code = "import sys, training.launch; print({'torch', 'trl', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_two_processes_train_as_one(tiny_policy, other_policy, preference_pairs, tmp_path):
    seen = []
    models = {"start": tiny_policy, "reference": other_policy}
    runs = {
        processes: launch(
            "dpo",
            preference_pairs,
            tmp_path / f"p{processes}",
            # two steps an epoch, so that the processes must agree on the order of the second, too
            SETTINGS.model_copy(
                update={
                    "processes": processes,
                    "batch_size": 4,
                    "micro_batch_size": 2,
                    "max_steps": 4,
                }
            ),
            seed=0,
            dtype="float32",
            report=lambda step, total, metrics: seen.append(step),
            **models,
        )
        for processes in (1, 2)
    }
    require_model(tmp_path / "p2")
    loss = {
        processes: run.metrics.filter(pl.col("metric") == "loss").sort("step")["value"]
        for processes, run in runs.items()
    }
    assert loss[2].to_list() == pytest.approx(loss[1].to_list(), abs=1e-4)
    assert (runs[2].steps, runs[2].examples) == (4, 8)
    assert sorted(set(seen)) == [1, 2, 3, 4]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p1", "p2"]


@pytest.mark.slow
def test_a_failed_launch_shows_the_end_of_its_output(tiny_policy, preference_pairs, tmp_path):
    settings = SETTINGS.model_copy(update={"processes": 2, "max_tokens": 8})
    with pytest.raises(RuntimeError, match="nothing to train on"):
        launch(
            "dpo",
            preference_pairs,
            tmp_path / "dpo",
            settings,
            seed=0,
            dtype="float32",
            start=tiny_policy,
            reference=tiny_policy,
        )
    assert not (tmp_path / "dpo").exists()
