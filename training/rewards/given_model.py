"""The folder of a reward model that the recipe brings: a local one, or a pinned one of the hub.

Not here: its rewards (`training.scoring`).
"""

from collections.abc import Sequence
from pathlib import Path

from training.models.checkpoint import require_model
from training.models.intake.hub import fetch_hub_model
from training.models.loading.config import read_context_tokens
from training.models.loading.weights import (
    require_classifier_weights,
    require_trainable_classifier,
)
from training.models.rendering import load_tokenizer
from training.settings.experiments import require_reward_context
from training.settings.loop import LoopSettings
from training.settings.stages import RewardModelSettings
from transforms.errors import InputError


def find_folder(path: str, revision: str | None) -> Path:
    """Return the folder of a reward model; one of the hub is downloaded first.

    Raises:
        InputError: the folder is not one whole model with a chat template; or a hub id without a
            revision, or one that cannot be read.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        folder = _download(path, revision)
    require_model(folder)
    return folder


def check_folder(
    folder: Path, loops: Sequence[LoopSettings], refreshes: Sequence[RewardModelSettings]
) -> None:
    """Check the folder of a reward model; no weights are loaded.

    Args:
        folder: the folder.
        loops: settings of the loops whose responses it must read.
        refreshes: settings of the trainings on fresh labels that start from it.

    Raises:
        InputError: it has no usable tokenizer, is no classifier with one label, cannot be trained
            further, or has too short a context.
    """
    load_tokenizer(folder, pads=False)
    require_classifier_weights(folder)
    if refreshes:
        require_trainable_classifier(folder)
    require_reward_context(str(folder), read_context_tokens(folder), loops, refreshes)


def _download(hub_id: str, revision: str | None) -> Path:
    if revision is None:
        raise InputError(
            f"the reward model {hub_id} cannot be read",
            expected="a local folder, or a hub id with a revision",
            found="no folder of this name, and no revision",
            remedy="correct the path, or set `revision` to a commit of the hub model",
        )
    return fetch_hub_model(hub_id, revision, kind="the reward model")
