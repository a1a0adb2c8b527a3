"""Division of GPUs among replicas, and their processes, with a stage that has no model."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psutil
import pytest
import torch

from training.engine.device_processes import divide_devices
from training.engine.replicas import build_command, merge_runs
from training.engine.sequence_logps import compute_response_logps
from training.evaluation import sample_decodings
from training.generation import generate
from training.judging.judge_processes import open_judge_processes
from training.models.loading.gpus import place_on_gpus
from training.ranking import rank
from training.reference_logps import add_reference_logps
from training.scoring import score
from training.settings.judge import JudgeSettings
from training.settings.model import DeviceSettings
from training.settings.objectives import DPOSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import RankingSettings, ScoringSettings
from transforms.errors import InputError


def make_gpus_visible(monkeypatch, count: int, names: str | None = None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if names is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)


def test_every_replica_has_gpus_of_its_own(monkeypatch):
    make_gpus_visible(monkeypatch, 8)
    assert divide_devices(DeviceSettings(replicas=8)) == [str(gpu) for gpu in range(8)]
    assert divide_devices(DeviceSettings(replicas=2, gpus_per_replica=3)) == ["0,1,2", "3,4,5"]
    make_gpus_visible(monkeypatch, 4, "6,7,GPU-a,GPU-b")
    assert divide_devices(DeviceSettings(replicas=2, gpus_per_replica=2)) == ["6,7", "GPU-a,GPU-b"]
    make_gpus_visible(monkeypatch, 0)
    assert divide_devices(DeviceSettings(replicas=3, gpus_per_replica=4)) == [None] * 3


def test_a_model_is_loaded_onto_as_many_gpus_as_it_is_given(monkeypatch):
    make_gpus_visible(monkeypatch, 8)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 5)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda gpu: (1000 + gpu, 2000))
    assert place_on_gpus(0) == {}
    assert place_on_gpus(1) == {"device_map": {"": 5}}
    assert place_on_gpus(2) == {"device_map": "balanced", "max_memory": {0: 900, 1: 900}}
    make_gpus_visible(monkeypatch, 0)
    assert place_on_gpus(4) == {}


SAMPLING = SamplingSettings(max_tokens=8, max_context_tokens=64)
COMMON = {"dtype": "float32", "commit": pytest.fail}
STAGES = {
    "generation": lambda rows, model, devices: generate(
        rows, model, SAMPLING, seed=0, devices=devices, **COMMON
    ),
    "evaluation": lambda rows, model, devices: sample_decodings(
        rows, model, SAMPLING, seed=0, devices=devices, **COMMON
    ),
    "scoring": lambda rows, model, devices: score(
        rows, model, ScoringSettings(), devices=devices, **COMMON
    ),
    "ranking": lambda rows, model, devices: rank(
        rows, model, RankingSettings(), devices=devices, **COMMON
    ),
    "reference": lambda rows, model, devices: add_reference_logps(
        rows, model, model, DPOSettings(), devices=devices, **COMMON
    ),
    "logps": lambda rows, model, devices: compute_response_logps(
        rows, model, batch_tokens=64, dtype="float32", devices=devices
    ),
    "judge": lambda rows, model, devices: open_judge_processes(
        JudgeSettings(path=str(model), devices=devices, max_context_tokens=64, max_tokens=8),
        dtype="float32",
    ).__enter__(),
}


@pytest.fixture
def rows(preference_pairs) -> pl.DataFrame:
    """Rows with the columns of every stage."""
    return preference_pairs.with_columns(
        response=pl.col("chosen").list.first().struct.field("content"),
        response_index=pl.lit(0, pl.Int32),
        finish_reason=pl.lit("stop"),
        decoding=pl.lit("sampled"),
    )


@pytest.mark.parametrize("stage", STAGES)
def test_too_few_gpus_are_refused_before_any_work(stage, rows, tiny_policy, monkeypatch):
    make_gpus_visible(monkeypatch, 5)
    three = DeviceSettings(replicas=3, gpus_per_replica=2)
    with pytest.raises(InputError, match=r"too few GPUs(.|\n)*6 GPUs(.|\n)*5 GPUs"):
        STAGES[stage](rows, tiny_policy, three)


@pytest.mark.parametrize("stage", ["generation", "evaluation", "scoring", "reference", "logps"])
def test_a_replica_of_more_gpus_than_there_are_is_refused(stage, rows, tiny_policy, monkeypatch):
    make_gpus_visible(monkeypatch, 1)
    with pytest.raises(InputError, match=r"too few GPUs(.|\n)*2 GPUs(.|\n)*1 GPUs"):
        STAGES[stage](rows, tiny_policy, DeviceSettings(gpus_per_replica=2))


def test_options_become_words_and_their_paths_absolute():
    options = {"reward_model": Path("models/rm"), "dtype": "float32"}
    assert build_command("training.scoring", options)[1:] == [
        "-m", "training.scoring",
        "--reward-model", str(Path.cwd() / "models/rm"), "--dtype", "float32",
    ]  # fmt: skip


@dataclass(frozen=True)
class FakeRun:
    responses: int
    model_start_s: float
    elapsed_s: float


def test_counts_add_up_and_the_slowest_start_counts():
    printed = [{"responses": 3, "model_start_s": 2.0}, {"responses": 4, "model_start_s": 5.0}]
    assert merge_runs(FakeRun, printed, 12.0) == FakeRun(7, 5.0, 7.0)
    assert merge_runs(FakeRun, [], 1.0) == FakeRun(0, 0.0, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "words"),
    [("die", r"replica 0 ended with status 137"), ("fail", r"(?s)status 1:.*no such weights")],
)
def test_a_failure_names_the_replica_and_ends_the_others(mode, words, double):
    chunks: list[pl.DataFrame] = []
    with pytest.raises(RuntimeError, match=words):
        double(mode, "wait", commit=chunks.append)
    assert chunks
    assert not [child for child in psutil.Process().children(recursive=True) if child.is_running()]
