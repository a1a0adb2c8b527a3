"""The pairs of a recipe's bench sets, read from files or from the hub.

Not here: the layouts of the sets (`transforms.public_sets`), results on them
(`transforms.benchmarks.reward_bench.results`). The pairs are for measurement only: no training
table gets rows from here.
"""

import polars as pl

from transforms.errors import InputError
from transforms.public_sets.registry import BENCHMARK_SETS, LABELLED_PAIRS
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import locate, read_part
from transforms.sources.layouts.conversations import make_turn


def resolve_bench_set(name: str, origin: OriginSettings) -> OriginSettings:
    """Return the origin of a bench set with its hub id, split and folders filled in.

    Raises:
        ValueError: the set is unknown, or has neither files nor a revision of a dataset.
    """
    parts = {known: BENCHMARK_SETS[known].parts["pairs"] for known in LABELLED_PAIRS}
    return locate("reward_bench", name, origin, parts)


def read_bench_set(name: str, origin: OriginSettings) -> pl.DataFrame:
    """Read all pairs of a bench set: pair_id, subset, prompt, chosen, rejected (message lists).

    Raises:
        InputError: a file cannot be read, or a row does not match the layout.
    """
    return to_bench_pairs(name, read_part(name, "pairs", resolve_bench_set(name, origin)))


def to_bench_pairs(name: str, raw: pl.DataFrame) -> pl.DataFrame:
    """Convert native rows (and `row_key`) to pairs of message lists, each with one turn.

    Raises:
        InputError: a pair has no text on a side, no subset, or the identifier of another pair.
    """
    texts = LABELLED_PAIRS[name].pairs(raw)
    problems = {
        "no label, or no text on a side": pl.any_horizontal(
            pl.col("prompt", "chosen", "rejected").is_null()
        ),
        "no subset, or an unknown one": pl.col("subset").is_null(),
        "no identifier": pl.col("pair_id").is_null(),
        "an identifier twice": pl.col("pair_id").is_duplicated(),
    }
    for found, where in problems.items():
        if (pairs := texts.filter(where)["pair_id"]).len():
            raise InputError(
                f"bench set {name} has pairs that cannot be scored",
                expected="prompt, chosen and rejected text, a subset, an identifier for each pair",
                found=f"{found}: {pairs.len()} pairs, the first {pairs[0]}",
                remedy=f"list the published files, each once. {BENCHMARK_SETS[name].facts}",
            )
    return texts.select(
        "pair_id",
        "subset",
        make_turn("user", pl.col("prompt")).alias("prompt"),
        make_turn("assistant", pl.col("chosen")).alias("chosen"),
        make_turn("assistant", pl.col("rejected")).alias("rejected"),
    )
