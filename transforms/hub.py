"""The hub of models and datasets: the token, and the causes of its errors in words.

Not here: downloads (`training.models.intake.hub`, `transforms.sources.files.reading`).
"""

import os
import re
from pathlib import Path
from typing import Literal

from transforms.errors import InputError

TOKEN = "HF_TOKEN"
"""Environment variable with the token of the hub."""

COMMIT = re.compile(r"[0-9a-f]{40}")
"""A commit of a repository; other revisions are branches and tags, which may move."""


def find_token() -> str | Literal[False]:
    """Return the token of the environment; without one, False: no stored token is sent either."""
    return os.environ.get(TOKEN) or False


def find_commit(hub_id: str, revision: str) -> str:
    """Return the commit of a dataset's revision, which may be a branch or a tag.

    Without network, it is the commit at which a branch was last read on this machine.

    Raises:
        InputError: there is no such dataset or revision, the token does not allow to read it, or
            the hub is not reached and the branch was never read on this machine.
    """
    if COMMIT.fullmatch(revision):
        return revision
    from huggingface_hub import snapshot_download

    try:
        # the folder of a snapshot has the name of its commit; no file is needed
        folder = snapshot_download(
            hub_id, repo_type="dataset", revision=revision, allow_patterns=[], token=find_token()
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"hub dataset {hub_id} cannot be read",
            expected=f"a commit of its revision {revision}",
            found=explain_hub_error(error, revision),
            remedy=f"check the id, revision, {TOKEN} and network, or set local `files`",
        ) from None
    return Path(folder).name


def explain_hub_error(error: Exception, revision: str | None) -> str:
    """Return the cause of an error of huggingface_hub or datasets in words.

    Args:
        error: the error.
        revision: the revision that was asked for.
    """
    from huggingface_hub import errors

    token = f"the token of {TOKEN} has no access" if find_token() else f"{TOKEN} is not set"
    causes: dict[type[Exception], str] = {
        errors.GatedRepoError: f"the repository grants access on request ({token})",
        errors.RepositoryNotFoundError: f"no such repository, or it is private ({token})",
        errors.RevisionNotFoundError: f"the repository has no revision {revision}",
        errors.LocalEntryNotFoundError: "the hub is not reached, and the files are not on this"
        " machine",
    }
    known = (cause for kind, cause in causes.items() if isinstance(error, kind))
    return next(known, str(error).strip().partition("\n")[0])
