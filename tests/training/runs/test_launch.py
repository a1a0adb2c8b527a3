import subprocess
import sys
from pathlib import Path

import polars as pl
import psutil
import pytest
import torch
import yaml

from training.dpo import train_dpo
from training.models.checkpoint import hash_checkpoint, require_model
from training.reference_logps import add_reference_logps
from training.runs import launch as launching
from training.runs.launch import launch
from training.settings.objectives import DPOSettings
from training.settings.training import LoRASettings
from transforms.errors import InputError

FSDP = str(Path(__file__).resolve().parents[3] / "recipes/accelerate/fsdp.yaml")
SETTINGS = DPOSettings(
    learning_rate=1e-3,
    max_steps=2,
    batch_size=8,
    micro_batch_size=4,
    max_tokens=32,
    logging_steps=1,
)


@pytest.fixture(scope="module")
def dpo_pairs(tiny_policy, other_policy, preference_pairs):
    return add_reference_logps(
        preference_pairs, tiny_policy, other_policy, SETTINGS, dtype="float32"
    ).pairs


def test_one_process_calls_the_stage(tiny_policy, dpo_pairs, tmp_path):
    same = {"settings": SETTINGS, "seed": 0, "dtype": "float32", "start": tiny_policy}
    launch("dpo", dpo_pairs, tmp_path / "a", **same)
    train_dpo(dpo_pairs, output=tmp_path / "b", **same)
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")


@pytest.mark.parametrize(("steps", "first"), [(1, 1e-3), (2, 0.0)])
def test_a_training_of_one_step_has_no_warm_up(tiny_policy, dpo_pairs, tmp_path, steps, first):
    settings = SETTINGS.model_copy(update={"max_steps": steps})
    done = launch(
        "dpo", dpo_pairs, tmp_path / "out", settings, seed=0, dtype="float32", start=tiny_policy
    )
    rates = done.metrics.filter(metric="learning_rate")["value"]
    assert rates[0] == pytest.approx(first)


def test_importing_the_launcher_loads_no_torch():
    code = (
        "import sys, training.runs.launch;"
        " print({'torch', 'trl', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_accelerate_config_is_used_by_one_process_too(
    tiny_policy, dpo_pairs, tmp_path, monkeypatch
):
    commands = []

    def refuse(command, report, lock):
        commands.append(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(launching, "_follow", refuse)
    settings = SETTINGS.model_copy(update={"accelerate_config": FSDP})
    with pytest.raises(KeyboardInterrupt):
        launch(
            "dpo",
            dpo_pairs,
            tmp_path / "a",
            settings,
            seed=0,
            dtype="float32",
            start=tiny_policy,
        )
    (command,) = commands
    assert command[command.index("--config_file") + 1] == FSDP
    assert command[command.index("--num_processes") + 1] == "1"


def test_two_trainings_with_the_shipped_accelerate_file_have_different_ports():
    assert yaml.safe_load(Path(FSDP).read_text(encoding="utf-8"))["main_process_port"] == 0


@pytest.mark.parametrize("config", [None, FSDP])
def test_more_processes_than_gpus_are_refused(config, preference_pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    settings = SETTINGS.model_copy(update={"processes": 2, "accelerate_config": config})
    with pytest.raises(InputError, match=r"processes: 2.*\n.*1 GPUs"):
        launch("dpo", preference_pairs, tmp_path / "a", settings, seed=0, dtype="float32")
    assert list(tmp_path.iterdir()) == []


def test_a_report_that_another_process_wrote_into_is_output(capsys):
    whole = '(pid=7) {"step": 1, "total_steps": 2, "metrics": {"loss": 0.5}}'
    lines = [whole, whole + "a warning", whole.replace(', "metrics"', 'a warning, "metrics"')]
    reports = []
    code = f"print({lines!r}[0]); print({lines!r}[1]); print({lines!r}[2])"
    launching._follow([sys.executable, "-c", code], lambda *report: reports.append(report))
    assert reports == [(1, 2, {"loss": 0.5})] * 2
    assert capsys.readouterr().err == lines[2] + "\n"


@pytest.mark.slow
def test_an_error_in_the_report_ends_the_launched_processes():
    """Also where SIGTERM is ignored, as it is below a process that ignores it."""
    line = '{"step": 1, "total_steps": 2, "metrics": {"process": %d}}'
    code = "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    code += f"print({line!r} % os.getpid(), flush=True); time.sleep(3600)"
    launched = []

    def report(step, total_steps, metrics):
        launched.append(metrics["process"])
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        launching._follow([sys.executable, "-c", code], report)
    assert not psutil.pid_exists(launched[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [{}, {"lora": LoRASettings()}, {"lora": LoRASettings(), "gradient_checkpointing": True}],
    ids=str,
)
def test_two_processes_train_as_one(tiny_policy, dpo_pairs, tmp_path, changed):
    seen = []
    runs = {
        processes: launch(
            "dpo",
            dpo_pairs,
            tmp_path / f"p{processes}",
            # two steps an epoch, so that the processes must agree on the order of the second, too
            SETTINGS.model_copy(
                update={
                    **changed,
                    "processes": processes,
                    "batch_size": 4,
                    "micro_batch_size": 2,
                    "max_steps": 4,
                }
            ),
            seed=0,
            dtype="float32",
            report=lambda step, total, metrics: seen.append(step),
            start=tiny_policy,
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


def test_rows_that_do_not_fit_are_refused_before_anything_is_launched(
    tiny_policy, dpo_pairs, tmp_path
):
    settings = SETTINGS.model_copy(update={"processes": 2, "max_tokens": 8})
    same = {"seed": 0, "dtype": "float32", "start": tiny_policy}
    with pytest.raises(InputError, match="nothing to train on"):
        launch("dpo", dpo_pairs, tmp_path / "dpo", settings, **same)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_failed_launch_shows_the_end_of_its_output(tiny_policy, dpo_pairs, tmp_path):
    settings = SETTINGS.model_copy(update={"processes": 2})
    with pytest.raises(RuntimeError, match="'float16' is not one of"):
        launch(
            "dpo", dpo_pairs, tmp_path / "dpo", settings,
            seed=0, dtype="float16", start=tiny_policy,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
