"""64-bit hashes of n consecutive codes, for many concatenated texts at once.

A code is a character (`transforms.prompts.shingles`) or a word
(`transforms.prompts.decontamination`). The hashes are arithmetic on the codes, equal on every
machine.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""2^64 / golden ratio, as in splitmix64. It is odd: every code of a window changes the hash."""


def hash_windows(codes: np.ndarray, size: int) -> np.ndarray:
    """Hash every `size` consecutive codes: u64[codes - size + 1], windows across texts too.

    Two different windows have the same hash with a probability of about 2^-64.
    """
    count = max(len(codes) - size + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for offset in range(size):
        hashes *= MULTIPLIER
        hashes += codes[offset : offset + count]
    return mix_bits(hashes)


def find_window_starts(lengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the windows that are inside one text.

    Args:
        lengths: codes of each text, i64[texts].
        size: codes of a window.

    Returns:
        First code of each window, counted over all texts, and the number of windows per text.
    """
    counts = np.maximum(lengths - size + 1, 0)
    before = np.cumsum(lengths) - lengths
    windows_before = np.cumsum(counts) - counts
    return np.repeat(before - windows_before, counts) + np.arange(counts.sum()), counts


def mix_bits(hashes: np.ndarray) -> np.ndarray:
    """Spread the bits of u64 values, in place: the finaliser of splitmix64 (Steele et al. 2014)."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def cut_into_slices(weights: np.ndarray, limit: int) -> Iterator[slice]:
    """Cut rows, in order, into slices whose weights sum to at most `limit` plus one row."""
    part = (np.cumsum(weights) - weights) // limit
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(weights)]
    yield from (slice(*ends) for ends in pairwise(edges) if ends[0] < ends[1])
