"""Runs of n consecutive codes as 64-bit hashes, for many texts at once.

Lives here: windows over texts that lie one behind the other, and cutting work into bounded parts.
Not here: what a code stands for: a character (`transforms.prompts.shingles`) or a word
(`transforms.prompts.decontamination`). The hashes are arithmetic on the codes, equal on every
machine.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that no code of a window is lost: 2^64 over the golden ratio, as in splitmix64."""


def hash_windows(codes: np.ndarray, size: int) -> np.ndarray:
    """Hash every `size` consecutive codes: u64[codes - size + 1], windows across texts too.

    Two different windows have one hash with a chance of about 2^-64.
    """
    count = max(len(codes) - size + 1, 0)
    hashes = np.zeros(count, np.uint64)
    for offset in range(size):
        hashes *= MULTIPLIER
        hashes += codes[offset : offset + count]
    return mix_bits(hashes)


def find_window_starts(lengths: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Find the windows that lie inside a text.

    Args:
        lengths: codes of each text, i64[texts].
        size: codes of a window.

    Returns:
        First code of each window, counted over all texts, and the windows of each text.
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
    """Cut rows, in order, into slices whose weights sum to `limit` and at most one row more."""
    part = (np.cumsum(weights) - weights) // limit
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(weights)]
    yield from (slice(*ends) for ends in pairwise(edges) if ends[0] < ends[1])
