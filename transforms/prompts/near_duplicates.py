"""Near duplicates among prompts: candidates by MinHash LSH, confirmed by exact similarity.

Lives here: the pairs to compare, the clusters, the prompt kept of a cluster. Not here: signatures
and similarity (`transforms.prompts.shingles`), equal prompts
(`transforms.sources.intake.duplicates`).

Two prompts are linked if their signatures share a band and the exact Jaccard similarity of their
shingles reaches the threshold. Linked prompts form a cluster, as in Lee et al. 2022 (arXiv
2107.06499, section 4.2); the prompt with the lowest id is kept. A link depends on its two prompts
only. So the order of rows does not matter, and a new prompt can join two clusters but never divide
one: a dropped prompt stays dropped.
"""

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from transforms.prompts.ngrams import MULTIPLIER, mix_bits
from transforms.prompts.shingles import fold_text, jaccard, sign_texts
from transforms.settings.prompts import NearDuplicateSettings

RECALL = 0.99
"""Minimum probability that a pair exactly at the threshold shares a band; it is higher for more
similar pairs. A missed pair keeps one prompt too many."""

DEVIATIONS = 4
"""A pair is compared exactly unless its estimated similarity is more than this many standard
deviations below the threshold: one near duplicate in 30,000 at the threshold is lost."""

PAIRS_AT_ONCE = 500_000
"""Pairs that are listed at a time: it bounds memory if many prompts share a template."""

PAIRS_IN_CACHE = 8_192
"""Pairs whose signatures are compared at a time: a few megabytes, which fit into a processor's
cache."""

NEAR_DUPLICATES = {"prompt_id": pl.String, "kept_id": pl.String, "similarity": pl.Float64}


def find_near_duplicates(prompts: pl.DataFrame, settings: NearDuplicateSettings) -> pl.DataFrame:
    """Find the prompts to drop, so that one prompt per cluster is kept.

    Case and white space are ignored. A text shorter than a shingle is one shingle. Time grows with
    the number of prompts, and with the square of the number of prompts in one bucket that are not
    near duplicates of each other (a template with different contents).

    Args:
        prompts: prompt_id (each once) and text.
        settings: threshold, shingles, signatures.

    Returns:
        One row per prompt to drop, by prompt_id: prompt_id, kept_id (the lowest id of its cluster),
        similarity of the two. In a cluster of more than two prompts the similarity may be below the
        threshold: the prompt is then linked to the kept one through other prompts.
    """
    known = prompts.select("prompt_id", text=fold_text(pl.col("text"))).sort("prompt_id")
    known = known.with_columns(first=pl.col("text").is_first_distinct())
    texts = known.filter("first").select("text", id="prompt_id")
    lowest = _find_clusters(texts["text"], settings)
    others = np.flatnonzero(lowest != np.arange(len(lowest)))
    similarity = np.ones(len(lowest))
    similarity[others] = jaccard(texts["text"], others, lowest[others], settings.shingle_chars)
    kept = texts.select("text", kept_id=pl.col("id").gather(lowest), similarity=similarity)
    found = known.join(kept, on="text", maintain_order="left")
    return found.filter(pl.col("prompt_id") != pl.col("kept_id")).select(list(NEAR_DUPLICATES))


def _find_clusters(texts: pl.Series, settings: NearDuplicateSettings) -> np.ndarray:
    """Link similar texts; return the lowest row of each text's cluster, i64[texts]."""
    signatures = sign_texts(texts, settings.shingle_chars, settings.permutations, settings.seed)
    members = _fill_buckets(signatures, _choose_band_size(settings))
    low_bytes = signatures.astype(np.uint8)
    del signatures
    lowest = np.arange(len(texts))
    links = np.empty((2, 0), np.int64)
    while True:
        pairs, members = _select_next_pairs(members, lowest)
        if not pairs.size and members.is_empty():
            return lowest
        pairs = pairs[:, _may_be_similar(low_bytes, pairs, settings)]
        left, right = pairs
        similar = jaccard(texts, left, right, settings.shingle_chars) >= settings.threshold
        links = np.concatenate([links, pairs[:, similar]], axis=1)
        lowest = _find_lowest_rows(links, len(texts))


def _choose_band_size(settings: NearDuplicateSettings) -> int:
    """Return the largest number of slots per band that reaches `RECALL`: the fewest comparisons."""
    slots = settings.permutations
    chances = {
        rows: 1 - (1 - settings.threshold**rows) ** (slots // rows) for rows in range(1, slots + 1)
    }
    return max(rows for rows, chance in chances.items() if chance >= RECALL)


def _fill_buckets(signatures: np.ndarray, rows: int) -> pl.DataFrame:
    """Put texts (`node`, a row) with equal slots in all of a band into one `bucket`."""
    found = []
    for band, start in enumerate(range(0, signatures.shape[1] - rows + 1, rows)):
        bucket = np.full(len(signatures), band, np.uint64)
        for slot in range(start, start + rows):
            bucket = mix_bits(bucket * MULTIPLIER + signatures[:, slot])
        frame = pl.DataFrame({"bucket": bucket, "node": np.arange(len(signatures))})
        found.append(frame.filter(pl.col("bucket").is_duplicated()))
    return pl.concat(found)


def _select_next_pairs(
    members: pl.DataFrame, lowest: np.ndarray
) -> tuple[np.ndarray, pl.DataFrame]:
    """Select pairs of different clusters to compare: some members of each bucket with all others.

    These members are then finished. If links have joined all members of a bucket to one cluster,
    its remaining pairs are never compared. Members of the smallest cluster are first, since the
    members of larger clusters will probably be joined soon.

    Returns:
        i64[2, pairs], lower row first, and the members that remain.
    """
    cluster = pl.col("cluster")
    open_ = members.with_columns(cluster=lowest[members["node"].to_numpy()]).filter(
        cluster.min().over("bucket") != cluster.max().over("bucket")
    )
    ranked = (
        open_.with_columns(size=pl.len().over("bucket", "cluster"))
        .sort("bucket", "size", "node")
        .with_columns(rank=pl.int_range(pl.len()).over("bucket"))
    )
    width = max(1, PAIRS_AT_ONCE // max(1, ranked.height))
    pairs = (
        ranked.filter(pl.col("rank") < width)
        .join(ranked, on="bucket", suffix="_other")
        .filter(pl.col("rank") < pl.col("rank_other"), cluster != pl.col("cluster_other"))
        .select(
            left=pl.min_horizontal("node", "node_other"),
            right=pl.max_horizontal("node", "node_other"),
        )
        .unique()
    )
    left = ranked.filter(pl.col("rank") >= width).select("bucket", "node")
    return pairs.to_numpy().T, left


def _may_be_similar(
    low_bytes: np.ndarray, pairs: np.ndarray, settings: NearDuplicateSettings
) -> np.ndarray:
    """Check by signatures whether pairs may reach the threshold: bool[pairs].

    Comparing the lowest byte of each slot is enough: unequal slots look equal with probability
    1/256. This can only add candidates, never lose one.
    """
    deviation = np.sqrt(settings.threshold * (1 - settings.threshold) / settings.permutations)
    least = (settings.threshold - DEVIATIONS * deviation) * settings.permutations
    plausible = np.empty(pairs.shape[1], bool)
    for start in range(0, pairs.shape[1], PAIRS_IN_CACHE):
        left, right = pairs[:, start : start + PAIRS_IN_CACHE]
        equal = np.count_nonzero(low_bytes[left] == low_bytes[right], axis=1)
        plausible[start : start + PAIRS_IN_CACHE] = equal >= least
    return plausible


def _find_lowest_rows(links: np.ndarray, nodes: int) -> np.ndarray:
    graph = coo_array((np.ones(links.shape[1], bool), tuple(links)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    _, lowest = np.unique(component, return_index=True)
    return lowest[component]
