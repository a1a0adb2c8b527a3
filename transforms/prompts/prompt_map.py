"""The map of the prompts: positions in two dimensions and topics, like Figure 7 of the paper.

Lives here: the selection of prompts, their positions, their topics. Not here: the plot
(`transforms.views.plots.prompt_map`), sentence embeddings (`training.models.embeddings`).

Deviation 1: the paper's figure was made with Nomic Atlas. Here t-SNE places the prompts and k-means
groups them; without an embedding model, the vector of a prompt is its TF-IDF. Source: scikit-learn,
https://scikit-learn.org/stable/modules/manifold.html#t-sne.
"""

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix
from sklearn.cluster import KMeans
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.manifold import TSNE
from sklearn.preprocessing import normalize

from transforms.errors import InputError
from transforms.identity import hash_text
from transforms.settings.prompts import PromptMapSettings

WORDS = r"(?u)(?<!['’])\b[^\W\d_]\w+\b(?!['’])"
"""Words of two characters or more that begin with a letter: numbers would name the topics of
mathematics. Contractions are excluded: no list of stop words contains their halves."""

MAX_WORDS = 50_000
"""Maximum size of the vocabulary; the most frequent words are kept."""

DIMENSIONS = 50
"""Dimensions in which t-SNE compares prompts, as scikit-learn recommends."""

PERPLEXITY = 30.0
"""Approximate number of neighbours that t-SNE considers; lower if there are few prompts."""

SPREAD = 1e-6
"""Vectors that differ by less than this in every dimension count as equal."""

TERMS = 3
"""Words in the name of a topic."""


def select_prompts_to_map(
    prompts: pl.DataFrame, prompt_splits: pl.DataFrame, settings: PromptMapSettings
) -> pl.DataFrame:
    """Select at most `max_prompts` of the prompts in use, with the text that determines positions.

    The text is the user's turns. System turns are left out: they are often equal within a source,
    and would group its prompts. The selection uses another hash than the splits.

    Args:
        prompts: the table.
        prompt_splits: the table; prompts without a split are left out.
        settings: number and seed.

    Returns:
        prompt_id, source, text; by prompt_id.
    """
    users = pl.element().filter(pl.element().struct.field("role") == "user")
    text = pl.col("prompt").list.eval(users.struct.field("content")).list.join("\n")
    order = hash_text(pl.format("prompt_map/{}/{}", pl.lit(settings.seed), "prompt_id"))
    used = prompts.join(prompt_splits, on="prompt_id", how="semi")
    selected = used.sort(order).head(settings.max_prompts)
    return selected.sort("prompt_id").select("prompt_id", "source", text=text)


def map_prompts(
    prompts: pl.DataFrame, settings: PromptMapSettings, embeddings: np.ndarray | None = None
) -> pl.DataFrame:
    """Place prompts in two dimensions and group them into topics.

    Vectors (TF-IDF, or the embeddings) are reduced to `DIMENSIONS` by a truncated SVD and scaled to
    unit length; t-SNE places them and k-means groups them. The name of a topic is the words whose
    mean TF-IDF inside the topic exceeds their overall mean most, in units of the square root of the
    overall mean. Embeddings do not change how topics are named. Topic 0 is the largest.

    Args:
        prompts: prompt_id, source, text.
        settings: topics and seed.
        embeddings: [prompts, dimensions], in the order of the prompts; null means TF-IDF.

    Returns:
        `prompt_map`, in the order of the prompts.

    Raises:
        InputError: fewer prompts than topics, texts without words, or equal words in all texts.
    """
    if prompts.height < max(settings.topics, 3):
        raise _map_error(f"at least {max(settings.topics, 3)} prompts", str(prompts.height))
    words, weights = _compute_tf_idf(prompts["text"].to_list())
    vectors = _reduce(weights if embeddings is None else embeddings, settings.seed)
    if np.ptp(vectors, axis=0).max() < SPREAD:  # t-SNE would divide by it
        raise _map_error("prompts that differ", f"{prompts.height} with the same vector")
    layout = TSNE(
        init="pca",
        perplexity=min(PERPLEXITY, (prompts.height - 1) / 3),
        random_state=settings.seed,
    ).fit_transform(vectors)
    topics = _find_topics(vectors, settings)
    names = {topic: _name_topic(words, weights, topics == topic) for topic in set(topics.tolist())}
    return prompts.select(
        "prompt_id",
        "source",
        pl.Series("x", layout[:, 0].astype(np.float64)),
        pl.Series("y", layout[:, 1].astype(np.float64)),
        pl.Series("topic", topics.astype(np.int32)),
        pl.Series("topic_terms", [names[topic] for topic in topics.tolist()], dtype=pl.String),
    )


def _compute_tf_idf(texts: list[str]) -> tuple[np.ndarray, csr_matrix]:
    """Return the vocabulary and the weights [texts, words], rows of unit length."""
    vectorizer = TfidfVectorizer(
        token_pattern=WORDS, stop_words="english", sublinear_tf=True, max_features=MAX_WORDS
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # "empty vocabulary", the only ValueError that texts can cause
        raise _map_error("words of two letters or more", "only stop words") from None
    words = vectorizer.get_feature_names_out()
    if len(words) < 2:
        raise _map_error("at least two different words", f"only {words[0]}")
    return words, weights


def _reduce(vectors: np.ndarray | csr_matrix, seed: int) -> np.ndarray:
    """Reduce vectors [prompts, any] to [prompts, at most DIMENSIONS], rows of unit length."""
    svd = TruncatedSVD(min(DIMENSIONS, *vectors.shape), random_state=seed)
    return normalize(svd.fit_transform(vectors))


def _find_topics(vectors: np.ndarray, settings: PromptMapSettings) -> np.ndarray:
    """Number the topic of each row, from 0 by falling size."""
    labels = KMeans(settings.topics, n_init=5, random_state=settings.seed).fit_predict(vectors)
    sizes = np.bincount(labels, minlength=settings.topics)
    return np.argsort(np.argsort(-sizes, kind="stable"), kind="stable")[labels]


def _name_topic(words: np.ndarray, weights: csr_matrix, inside: np.ndarray) -> str:
    """Name a topic by its most distinctive words."""
    overall = np.asarray(weights.mean(axis=0)).ravel()
    excess = (np.asarray(weights[inside].mean(axis=0)).ravel() - overall) / np.sqrt(overall)
    best = np.argsort(-excess, kind="stable")[:TERMS]
    return ", ".join(words[best[excess[best] > 0]]) or "(no words)"


def _map_error(expected: str, found: str) -> InputError:
    return InputError(
        "the prompts cannot be mapped",
        expected=expected,
        found=found,
        remedy="add prompts, lower prompt_map.topics, or leave prompt_map out of the recipe",
    )
