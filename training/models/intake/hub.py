"""Models of the hub: their files on this machine, at one commit.

Not here: pushes to the hub (`training.export.hub`).
"""

from pathlib import Path

from training.models.checkpoint import READ_FILES, WEIGHTS
from transforms.errors import InputError
from transforms.hub import TOKEN, explain_hub_error, find_token

NOT_READ = ("*/*.safetensors", "consolidated*.safetensors")
"""Weights that no stage reads: adapters, and copies in another format (Mistral)."""


def fetch_hub_model(
    hub_id: str, revision: str | None, *, kind: str = "model", weights: bool = True
) -> Path:
    """Return the folder of a hub model, whose name is the commit; missing files are downloaded.

    Only files that a stage reads are downloaded: safetensors weights, config, tokenizer, chat
    template; no pickle and no code. The token comes from the environment only: one that
    `hf auth login` stored is not used. Without network, a model that is on this machine is found.

    Args:
        hub_id: OWNER/NAME.
        revision: branch, tag or commit; None for the main branch.
        kind: what it is, for messages.
        weights: whether the weights are needed.

    Raises:
        InputError: there is no such model or revision, the token does not allow to read it, or the
            hub is not reached and the model is not on this machine.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            hub_id,
            revision=revision,
            allow_patterns=[*READ_FILES, *([WEIGHTS] if weights else [])],
            ignore_patterns=[*NOT_READ],
            token=find_token(),
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{kind} {hub_id} cannot be read",
            expected="a folder, or a hub id that this machine can reach or has in its cache",
            found=explain_hub_error(error, revision),
            remedy=f"check the name, the revision and {TOKEN}; without network, download the model"
            f" before (hf download {hub_id}), or give its folder",
        ) from None
    return Path(folder)
