"""Every stage on an NVIDIA GPU against the CPU's float32: bench/gpu_check.py, stage by stage."""

from pathlib import Path

import pytest
import torch

from bench import gpu_check

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu")
    gpu_check.prepare(gpu_check.SMALL, folder)
    return folder


@pytest.mark.parametrize("stage", gpu_check.STAGES)
def test_a_stage_agrees_with_the_cpu_and_frees_the_gpu(stage: str, folder: Path):
    needed = gpu_check.STAGES[stage].gpus
    if torch.cuda.device_count() < needed:
        pytest.skip(f"needs {needed} GPUs")
    result = gpu_check.check_stage(stage, folder, timeout_s=300)
    assert result["problems"] == []
