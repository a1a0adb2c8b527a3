"""An exported model on a hub of models, such as huggingface.co.

Not here: the export (`training.export.model_folder`).
"""

import os
import re
from pathlib import Path

from transforms.errors import InputError
from transforms.hub import TOKEN

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
"""Id of a model on the hub: owner and name."""


def read_token(hub_id: str) -> str:
    """Return the token for a push, and refuse what cannot be pushed; nothing is sent.

    The token comes from the environment only: a token that `hf auth login` stored is not used.

    Raises:
        InputError: the id is not OWNER/NAME, or there is no token.
    """
    if not HUB_ID.fullmatch(hub_id):
        raise InputError(
            "this is not an id of a model on a hub",
            expected="OWNER/NAME",
            found=hub_id,
            remedy="for example --to my-name/my-policy",
        )
    token = os.environ.get(TOKEN, "")
    if not token:
        raise InputError(
            "a model cannot be pushed without a token",
            expected=f"the environment variable {TOKEN}",
            found="it is not set",
            remedy="make a token with write access on the hub, and export it",
        )
    return token


def push_folder(
    folder: Path, hub_id: str, *, token: str, public: bool, endpoint: str | None = None
) -> str:
    """Push a folder to a hub in one commit; return the address of the commit.

    Args:
        folder: an exported model.
        hub_id: OWNER/NAME. The repository is made if it is missing; one that exists stays as
            public or private as it is.
        token: from `read_token`.
        public: whether everyone can read a new repository.
        endpoint: address of the hub; None for that of HF_ENDPOINT, or huggingface.co.

    Raises:
        InputError: the hub refuses it, or is not reached.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi(endpoint=endpoint, token=token)
    try:
        api.create_repo(hub_id, private=not public, exist_ok=True)
        commit = api.upload_folder(
            repo_id=hub_id, folder_path=folder, commit_message="Model and card, by prefloop"
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise InputError(
            f"{folder} cannot be pushed to {hub_id}",
            expected=f"write access of {TOKEN} at {api.endpoint}",
            found=str(error).splitlines()[0],
            remedy="check the token, the id and the connection; the folder stays",
        ) from error
    return str(commit.commit_url)
