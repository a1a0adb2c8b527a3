"""Character shingles of texts: MinHash signatures and exact Jaccard similarity.

Not here: the selection of pairs and clusters (`transforms.prompts.near_duplicates`). Source: Broder
1997, "On the resemblance and containment of documents"; signatures are rensa's R-MinHash,
https://github.com/beowolx/rensa.
"""

import numpy as np
import polars as pl
from rensa import RMinHash
from scipy.sparse import csr_array

from transforms.prompts.ngrams import cut_into_slices, find_window_starts, hash_windows

PART_CHARS = 4_000_000
"""Characters that are processed at a time; about 200 MB of memory."""

COLUMNS = 2**63 - 1
"""Columns of a sparse matrix of shingles: one per hash of 63 bits, the maximum."""

PADDING = "\0"
"""Fills a text that is shorter than a shingle, so that the whole text is one shingle."""


def fold_text(text: pl.Expr) -> pl.Expr:
    """Convert a text to lower case, with single spaces as white space.

    Punctuation is kept: `x < 3` is not `x > 3`.
    """
    return text.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def sign_texts(texts: pl.Series, size: int, permutations: int, seed: int) -> np.ndarray:
    """Compute the MinHash signatures of texts: u32[texts, permutations].

    The share of equal slots of two signatures estimates the Jaccard similarity of their texts.
    """
    signatures = np.empty((len(texts), permutations), np.uint32)
    for part in cut_into_slices(texts.str.len_chars().to_numpy() + permutations, PART_CHARS):
        hashes, counts = _hash_shingles(texts[part], size)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, permutations, seed)
        signatures[part] = matrix.to_rows()
    return signatures


def jaccard(texts: pl.Series, left: np.ndarray, right: np.ndarray, size: int) -> np.ndarray:
    """Compute the exact Jaccard similarity of pairs of texts: f64[pairs].

    Args:
        texts: texts, converted by `fold_text`.
        left: row of the first text of each pair.
        right: row of the second text of each pair.
        size: characters of a shingle.
    """
    chars = texts.str.len_chars().to_numpy().astype(np.int64)
    block = (np.cumsum(chars) - chars) // PART_CHARS
    order = np.lexsort((block[right], block[left]))
    blocks = np.stack([block[left], block[right]])[:, order]
    edges = np.flatnonzero(np.diff(blocks, axis=1).any(axis=0)) + 1
    similarities = np.empty(len(left), np.float64)
    for pairs in np.split(order, edges):  # the sets of two blocks of texts are made only once
        rows, which = np.unique(np.stack([left[pairs], right[pairs]]), return_inverse=True)
        sets = _make_shingle_sets(texts.gather(rows), size)
        one, other = which.reshape(2, -1)
        for part in cut_into_slices((chars[left] + chars[right])[pairs], PART_CHARS):
            similarities[pairs[part]] = _compute_overlap(sets[one[part]], sets[other[part]])
    return similarities


def _compute_overlap(one: csr_array, other: csr_array) -> np.ndarray:
    both = np.diff(one.multiply(other).indptr)
    return both / (np.diff(one.indptr) + np.diff(other.indptr) - both)


def _make_shingle_sets(texts: pl.Series, size: int) -> csr_array:
    """Make a sparse matrix, one row per text, one column per hash: products of rows are fast."""
    hashes, counts = _hash_shingles(texts, size)
    columns = (hashes >> np.uint64(1)).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(counts)])
    sets = csr_array((np.ones(len(columns), bool), columns, ends), shape=(len(texts), COLUMNS))
    sets.sum_duplicates()
    return sets


def _hash_shingles(texts: pl.Series, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Hash the shingles of all texts, in the order of the texts; count them per text."""
    padded = texts.str.pad_end(size, PADDING)
    lengths = padded.str.len_chars().to_numpy().astype(np.int64)
    codes = np.frombuffer(padded.str.join("").item().encode("utf-32-le"), np.uint32)
    starts, counts = find_window_starts(lengths, size)
    return hash_windows(codes, size)[starts], counts
