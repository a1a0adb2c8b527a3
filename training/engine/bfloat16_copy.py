"""A copy of a policy's weights in bfloat16, from which vLLM starts: half the bytes of float32.

vLLM rounds float32 weights to bfloat16 while it loads them; the copy has the same rounded weights.
Training, scoring and log-probabilities read the policy itself.
"""

import shutil
from pathlib import Path

from filelock import FileLock

from training.export.weights import copy_weights
from training.models.checkpoint import READ_FILES, build_folder, require_model
from training.settings.model import DeviceSettings

FOLDER = "bfloat16"
"""Folder of the copy, in the policy's folder. The checkpoint's id does not depend on it."""


def choose_weights(policy: Path, dtype: str, devices: DeviceSettings) -> Path:
    """Return the folder that an engine starts from: the policy, or its copy, made if missing.

    Args:
        policy: folder of the policy.
        dtype: compute type; a copy is for `bfloat16`.
        devices: whether copies are kept.

    Raises:
        InputError: the policy's folder is not a complete model.
    """
    if dtype != "bfloat16" or not devices.bfloat16_copy:
        return policy
    require_model(policy)
    copy = policy / FOLDER
    with FileLock(policy / f".{FOLDER}.lock"):
        if not copy.is_dir():
            _write_copy(policy, copy)
    return copy


def _write_copy(policy: Path, copy: Path) -> None:
    with build_folder(copy) as folder:
        for file in (file for pattern in READ_FILES for file in policy.glob(pattern)):
            (folder / file.relative_to(policy)).parent.mkdir(exist_ok=True)
            shutil.copy2(file, folder / file.relative_to(policy))
        copy_weights(policy, folder, "bfloat16")
