"""One engine of vLLM from start to end: its environment, its GPUs, and the memory that it frees.

Not here: what it computes (`training.engine.sampler`, `training.engine.pooling`).
"""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import torch

from training.models.loading.gpus import require_gpus
from training.runs.processes import guard_children


class RunningEngine:
    """A started `LLM` of vLLM; `stop` frees it, its memory and vLLM's process groups."""

    def __init__(
        self,
        model: Path,
        *,
        gpus: int,
        gpu_memory_utilization: float,
        cpu_kv_cache_gib: int,
        **arguments: Any,
    ) -> None:
        """Start vLLM with a model.

        Args:
            model: folder of the model.
            gpus: GPUs that share the model (tensor parallelism); no effect without a GPU.
            gpu_memory_utilization: share of a GPU's memory that vLLM uses.
            cpu_kv_cache_gib: key-value cache on a CPU, GiB.
            arguments: further arguments of `LLM`.

        Raises:
            InputError: there are too few GPUs.
        """
        require_gpus(gpus)
        started = time.perf_counter()
        self._guard: subprocess.Popen | None = None
        self._set_num_threads = torch.set_num_threads
        self.llm: Any = None
        set_environment()
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(cpu_kv_cache_gib)
        from vllm import LLM

        placement: dict[str, Any] = (
            {"gpu_memory_utilization": gpu_memory_utilization, "tensor_parallel_size": gpus}
            if torch.cuda.is_available()
            else {"enforce_eager": True, "distributed_executor_backend": "uni"}
        )
        try:
            self.llm = LLM(str(model), **arguments, **placement)
        except BaseException:
            self.stop()  # else the next engine of this process could not start
            raise
        self._guard = guard_children()
        self.start_s = time.perf_counter() - started

    def stop(self) -> None:
        """Free the engine, its memory and vLLM's process groups."""
        from vllm.distributed import cleanup_dist_env_and_memory

        if self.llm is not None:
            self.llm.llm_engine.engine_core.shutdown()
        if self._guard:
            self._guard.kill()
            self._guard.wait()
        self.llm = self._guard = None
        cleanup_dist_env_and_memory()
        # vLLM's CPU worker replaces this function of torch with one that does nothing.
        torch.set_num_threads = self._set_num_threads


def set_environment() -> None:
    """Set what vLLM reads from the environment; call it before vLLM is imported."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    if torch.cuda.is_available():
        # A fork would copy locks that other threads (polars, Arrow) have taken at that moment.
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"
    else:
        # A second process would compete for the same cores; one process schedules repeatably.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
