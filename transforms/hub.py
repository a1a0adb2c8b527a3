"""The hub of models and datasets: the token, and the causes of its errors in words.

Not here: downloads (`training.models.intake.hub`, `transforms.sources.files.reading`).
"""

import os
from typing import Literal

TOKEN = "HF_TOKEN"
"""Environment variable with the token of the hub."""


def find_token() -> str | Literal[False]:
    """Return the token of the environment; without one, False: no stored token is sent either."""
    return os.environ.get(TOKEN) or False


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
