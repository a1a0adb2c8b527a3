"""The folder of a reward model that the recipe brings: a local one, or a pinned one of the hub.

Not here: its rewards (`training.scoring`).
"""

from pathlib import Path

from training.models.checkpoint import require_model
from training.models.intake.hub import fetch_hub_model
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


def _download(hub_id: str, revision: str | None) -> Path:
    if revision is None:
        raise InputError(
            f"the reward model {hub_id} cannot be read",
            expected="a local folder, or a hub id with a revision",
            found="no folder of this name, and no revision",
            remedy="correct the path, or set `revision` to a commit of the hub model",
        )
    return fetch_hub_model(hub_id, revision, kind="the reward model")
