"""Every stage on an NVIDIA GPU against the CPU's float32: bench/gpu_check.py, stage by stage."""

from pathlib import Path

import pytest
import torch

from bench.gpu.cases import SMALL, prepare
from bench.gpu.stages import STAGES
from bench.gpu_check import check_stage

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    prepare(SMALL, folder)
    return folder


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_agrees_with_the_cpu_and_frees_the_gpu(stage: str, folder: Path):
    needed = STAGES[stage].gpus
    if torch.cuda.device_count() < needed:
        pytest.skip(f"needs {needed} GPUs")
    result = check_stage(stage, folder, timeout_s=300)
    assert result["problems"] == []
