"""Training on two nodes of a Ray cluster: the weights of one machine, also after a kill."""

import os
import signal
from pathlib import Path

import polars as pl
import psutil
import pytest
from accelerate.commands.launch import _validate_launch_command, launch_command_parser

from training.models.checkpoint import hash_checkpoint
from training.runs.launch import _build_command, launch
from training.runs.ray_training import read_environment
from training.runs.trackers import track_run
from training.settings.stages import SFTSettings

FSDP = str(Path(__file__).resolve().parents[3] / "recipes/accelerate/fsdp.yaml")
SETTINGS = SFTSettings(
    learning_rate=1e-3,
    max_steps=8,
    batch_size=4,
    micro_batch_size=2,
    max_tokens=32,
    logging_steps=1,
    checkpoint_steps=2,
    processes=2,
)


def build_environment(settings: SFTSettings) -> dict[str, str]:
    command = _build_command("training.runs.ray_training", "sft", settings, {"output": Path("a")})
    words = command[command.index("training.runs.ray_training") + 1 :]
    return read_environment(_validate_launch_command(launch_command_parser().parse_args(words))[0])


def test_the_accelerate_file_becomes_environment_variables():
    plain = build_environment(SETTINGS)
    assert "ACCELERATE_USE_FSDP" not in plain
    assert not {"MASTER_ADDR", "MASTER_PORT", "RANK", "CUDA_VISIBLE_DEVICES"} & plain.keys()
    sharded = build_environment(SETTINGS.model_copy(update={"accelerate_config": FSDP}))
    expected = {
        "ACCELERATE_USE_FSDP": "true",
        "ACCELERATE_MIXED_PRECISION": "no",
        "FSDP_VERSION": "2",
        "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_RESHARD_AFTER_FORWARD": "true",
        "FSDP_STATE_DICT_TYPE": "FULL_STATE_DICT",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
    }
    assert {name: sharded[name] for name in expected} == expected


def test_the_names_of_a_run_reach_the_nodes_and_no_secret_does(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_API_KEY", "secret")
    assert "WANDB_PROJECT" not in build_environment(SETTINGS)
    with track_run(["wandb"], "study", "iterative/policy", tmp_path):
        found = build_environment(SETTINGS)
    assert found["WANDB_PROJECT"] == "study"
    assert found["PREFLOOP_RUN"] == "iterative/policy"
    assert "secret" not in found.values()


def test_the_cluster_decides_nothing():
    on_ray = SETTINGS.model_copy(update={"cluster": "ray"})
    assert on_ray.dump_decisive() == SETTINGS.dump_decisive()


@pytest.mark.slow
def test_a_killed_process_of_two_changes_no_weight(
    ray_nodes, tiny_policy, demonstrations, tmp_path
):
    """The undisturbed run is one of `accelerate launch`, so that its weights are Ray's too."""
    steps, killed = [], []

    def report(step: int, total_steps: int, metrics: dict[str, float]) -> None:
        steps.append(step)
        if step >= 4 and not killed:
            workers = [
                process.pid
                for process in psutil.process_iter(["cmdline"])
                if "RayTrainWorker" in " ".join(process.info["cmdline"] or [])
            ]
            killed.extend(workers)
            os.kill(workers[-1], signal.SIGKILL)

    def run(name: str, cluster: str | None, report=None) -> str:
        settings = SETTINGS.model_copy(update={"cluster": cluster})
        rows = pl.concat([demonstrations] * 3)
        same = {"seed": 0, "dtype": "float32", "report": report, "model": tiny_policy}
        assert launch("sft", rows, tmp_path / name, settings, **same).steps == 8
        return hash_checkpoint(tmp_path / name)

    assert run("ray", "ray", report) == run("one machine", None)
    assert len(killed) == 2
    assert max(steps) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one machine", "ray"]
