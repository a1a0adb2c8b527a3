"""The GPUs that a model is loaded on.

Not here: division of GPUs among replicas (`training.engine.device_processes`).
"""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from transforms.errors import InputError

USED_SHARE = 0.9
"""Share of a GPU's free memory that the weights of a model on several GPUs may use."""


def describe_gpus() -> str:
    """Describe the GPUs that this process sees.

    Raises:
        InputError: the machine has GPUs and torch sees none.
    """
    found = [torch.cuda.get_device_name(one) for one in range(torch.cuda.device_count())]
    if not found and (devices := sorted(Path("/dev").glob("nvidia[0-9]*"))):
        raise InputError(
            "torch sees no GPU",
            expected=f"{len(devices)} GPUs, which the machine has",
            found=f"torch {torch.__version__}, "
            f"CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}",
            remedy="install prefloop[gpu] with a driver that its CUDA version needs, or correct "
            "CUDA_VISIBLE_DEVICES",
        )
    return ", ".join(found) or "none; models run on the CPU"


def require_gpus(gpus: int) -> None:
    """Refuse more GPUs than this process sees. Without a GPU, every number is allowed.

    Raises:
        InputError: the message gives both numbers.
    """
    found = torch.cuda.device_count()
    if torch.cuda.is_available() and found < gpus:
        raise InputError(
            "too few GPUs for the model",
            expected=f"{gpus} GPUs (replicas x gpus_per_replica)",
            found=f"{found} GPUs",
            remedy="lower devices.replicas or devices.gpus_per_replica",
        )


def place_on_gpus(gpus: int) -> dict[str, Any]:
    """Return the arguments of `from_pretrained` that load a model onto GPUs of this process.

    One GPU is the current one. On several, each has about the same share of the weights, layer by
    layer, and the last tenth of its free memory is left for activations. Nothing is returned for 0
    GPUs, and without a GPU.

    Raises:
        InputError: as in `require_gpus`.
    """
    if not gpus or not torch.cuda.is_available():
        return {}
    require_gpus(gpus)
    if gpus == 1:
        return {"device_map": {"": torch.cuda.current_device()}}
    free = {gpu: torch.cuda.mem_get_info(gpu)[0] for gpu in range(gpus)}
    shares = {gpu: int(USED_SHARE * size) for gpu, size in free.items()}
    return {"device_map": "balanced", "max_memory": shares}


def require_loaded_on_gpus(loaded: PreTrainedModel, model: Path | str) -> None:
    """Refuse a model with weights that transformers put elsewhere, because the GPUs were full."""
    places = list(getattr(loaded, "hf_device_map", {}).values())
    if "disk" in places or ("cpu" in places and len(places) > 1):
        gpus = len(set(places) - {"cpu", "disk"})
        raise InputError(
            f"model {model} is too large for {gpus} GPUs",
            expected="weights that fit into the free memory of the GPUs",
            found=f"{places.count('disk') + places.count('cpu')} parts without a place",
            remedy="raise gpus_per_replica, and lower replicas if there are no further GPUs",
        )
