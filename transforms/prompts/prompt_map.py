"""A map of the prompts: two dimensions and topics, as the paper's Figure 7 shows its collection.

Lives here: which prompts are drawn, their positions, their topics. Not here: the drawing
(`transforms.views.plots.preferences`), sentence embeddings (`training.models.embeddings`).
Deviation 1 from the figure, which was made with Nomic Atlas: t-SNE places the prompts and k-means
groups them, and without an embedding model a prompt's vector is its TF-IDF. Source: scikit-learn,
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
"""Two characters or more, a letter first: numbers would name the topics of mathematics. Without
contractions, whose halves are on no list of stop words."""

MAX_WORDS = 50_000
"""Most words of the vocabulary, the most frequent ones."""

DIMENSIONS = 50
"""Dimensions that neighbours are sought in; scikit-learn's advice for t-SNE."""

PERPLEXITY = 30.0
"""Neighbours that t-SNE weighs, about; fewer where there are few prompts."""

SPREAD = 1e-6
"""Vectors that differ by less, in every dimension, are the same."""

TERMS = 3
"""Words in the name of a topic."""


def select_prompts_to_map(
    prompts: pl.DataFrame, prompt_splits: pl.DataFrame, settings: PromptMapSettings
) -> pl.DataFrame:
    """Take the prompts that are used, at most `max_prompts`, and the text that places them.

    The text is what the user says, turn by turn: system turns repeat, and would group a source.
    Which prompts are drawn is decided by a hash apart from the one that gives a prompt its split.

    Args:
        prompts: the table.
        prompt_splits: the table; prompts that are in no split are left out.
        settings: number and seed.

    Returns:
        prompt_id, source, text; by prompt_id.
    """
    users = pl.element().filter(pl.element().struct.field("role") == "user")
    text = pl.col("prompt").list.eval(users.struct.field("content")).list.join("\n")
    draw = hash_text(pl.format("prompt_map/{}/{}", pl.lit(settings.seed), "prompt_id"))
    used = prompts.join(prompt_splits, on="prompt_id", how="semi")
    drawn = used.sort(draw).head(settings.max_prompts)
    return drawn.sort("prompt_id").select("prompt_id", "source", text=text)


def map_prompts(
    prompts: pl.DataFrame, settings: PromptMapSettings, embeddings: np.ndarray | None = None
) -> pl.DataFrame:
    """Place prompts in two dimensions and group them into topics.

    Vectors (TF-IDF, or the embeddings) are reduced to `DIMENSIONS` by a truncated SVD and scaled to
    unit length; t-SNE places them and k-means groups them. A topic is named by the words whose mean
    TF-IDF inside it most exceeds their overall mean, in units of its square root; with embeddings,
    too. Topic 0 is the largest.

    Args:
        prompts: prompt_id, source, text.
        settings: topics and seed.
        embeddings: [prompts, dimensions], in the order of the prompts; null takes TF-IDF.

    Returns:
        `prompt_map`, in the order of the prompts.

    Raises:
        InputError: fewer prompts than topics, texts without words, or all with the same ones.
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
    """Give the vocabulary and the weights [texts, words], rows of unit length."""
    vectorizer = TfidfVectorizer(
        token_pattern=WORDS, stop_words="english", sublinear_tf=True, max_features=MAX_WORDS
    )
    try:
        weights = vectorizer.fit_transform(texts)
    except ValueError:  # "empty vocabulary", the only one that texts can cause
        raise _map_error("words of two letters or more", "none but stop words") from None
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
    """Name a topic by the words that tell it from the others, frequent ones holding less."""
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
