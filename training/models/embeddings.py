"""Sentence embeddings of texts by a sentence-transformers model from a folder or the hub.

Only safetensors weights are read, and code in a model's repository is never run. Not here: the map
of prompts, which uses the vectors (`transforms.prompts.prompt_map`). Source:
https://sbert.net/docs/package_reference/sentence_transformer/model.html.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from accelerate.utils import release_memory

from transforms.errors import InputError

BATCH_TEXTS = 64
"""Texts per forward pass; the library sorts them by length first."""


def embed_texts(texts: Sequence[str], model: str, *, revision: str | None) -> np.ndarray:
    """Embed texts as unit vectors. A text that is longer than the model's context is cut.

    Args:
        texts: at least one.
        model: folder or hub id of a sentence-transformers model.
        revision: git revision of the hub model; None for a folder.

    Returns:
        float32 [texts, dimensions], in the order of the texts.

    Raises:
        InputError: sentence-transformers is not installed; a hub id has no revision; a folder has
            one, or contains no sentence-transformers model; or the model needs its own code.
    """
    _require_origin(model, revision)
    _require_library()
    from sentence_transformers import SentenceTransformer

    try:
        encoder = SentenceTransformer(
            model,
            revision=revision,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"the embedding model {model} cannot be loaded",
            expected="a sentence-transformers model in safetensors that needs no code of its own",
            found=str(error).strip(),
            remedy="use another model, or remove embedding_model to place prompts by TF-IDF",
        ) from error
    vectors = encoder.encode(
        list(texts),
        batch_size=BATCH_TEXTS,
        normalize_embeddings=True,
        show_progress_bar=sys.stderr.isatty(),
    )
    del encoder
    release_memory()  # an engine that starts next needs nearly the whole GPU
    return vectors


def _require_library() -> None:
    if find_spec("sentence_transformers") is None:
        raise InputError(
            "prompts cannot be embedded",
            expected="the package sentence-transformers",
            found="no such package",
            remedy="pip install 'prefloop[embeddings]', or remove prompt_map.embedding_model to "
            "place prompts by TF-IDF",
        )


def _require_origin(model: str, revision: str | None) -> None:
    """Refuse a folder without a model, and a hub model without a revision, as it may change."""
    folder = Path(model)
    if folder.is_dir():
        if revision is not None:
            raise InputError(
                f"the embedding model {model} is a folder and has no revision",
                expected="embedding_revision only with a hub id",
                found=revision,
                remedy="remove embedding_revision",
            )
        if not (folder / "modules.json").is_file():
            raise InputError(
                f"{model} is not a sentence-transformers model",
                expected="a folder with modules.json",
                found=", ".join(sorted(file.name for file in folder.iterdir())) or "no file",
                remedy="save it with SentenceTransformer.save_pretrained",
            )
    elif revision is None:
        raise InputError(
            f"the embedding model {model} may change",
            expected="a folder, or a hub id with embedding_revision (a commit)",
            found="no folder of this name, and no revision",
            remedy="set prompt_map.embedding_revision",
        )
