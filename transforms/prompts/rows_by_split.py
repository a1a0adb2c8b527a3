"""Selection of rows by split: training pairs, reward validation pairs, held-out prompts.

Not here: which split a prompt belongs to (`transforms.prompts.splits`).
"""

from collections.abc import Iterator

import polars as pl

from transforms.lake.asset_names import ITERATION, iteration_number
from transforms.lake.lake import Lake
from transforms.prompts.splits import HELD_OUT

PAIR = ("pair_id", "prompt_id", "prompt", "chosen", "rejected")


def read_demonstrations(lake: Lake) -> Iterator[pl.DataFrame]:
    """Read the demonstrations in frames of a few megabytes: row_key, messages."""
    for frame in lake.read_frames("demonstrations"):
        yield frame.select("row_key", "messages")


def read_training_pairs(lake: Lake, mixture: str) -> Iterator[pl.DataFrame]:
    """Read the pairs of a mixture for training in frames of a few megabytes.

    Yields:
        pair_id, prompt_id, prompt, chosen, rejected; in the order of the table, one row per copy of
        a pair.
    """
    # A join per frame would build the hash table of the mixture again for each.
    keys = lake.scan("preference_pairs").select("source", "pair_id").collect()
    mixed = lake.read("mixture_pairs", mixture=mixture).select("source", "pair_id", "copies")
    copies = keys.join(mixed, on=["source", "pair_id"], how="left", maintain_order="left")["copies"]
    del keys, mixed
    first = 0
    for frame in lake.read_frames("preference_pairs"):
        numbered = frame.with_columns(copies.slice(first, frame.height))
        first += frame.height
        chosen = numbered.filter(pl.col("copies") > 0)
        yield chosen.with_columns(copy=pl.int_ranges("copies")).explode("copy").select(PAIR)


def list_training_pairs(lake: Lake, mixture: str) -> pl.DataFrame:
    """List the pairs of a mixture without texts, in a stable order that mixes the sources.

    Returns:
        source, pair_id; sorted by pair_id, a hash; one row per copy of a pair.
    """
    mixed = lake.read("mixture_pairs", mixture=mixture).sort("pair_id", "source")
    copies = mixed.select("source", "pair_id", copy=pl.int_ranges("copies"))
    return copies.explode("copy").select("source", "pair_id")


def read_pairs(lake: Lake, keys: pl.DataFrame) -> pl.DataFrame:
    """Read the texts of listed pairs.

    Args:
        lake: the lake.
        keys: source, pair_id; a pair may be listed twice.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected; in the order of `keys`.
    """
    wanted = pl.col("pair_id").is_in(keys["pair_id"].implode())
    found = lake.scan("preference_pairs").filter(wanted).select("source", *PAIR).collect()
    return keys.join(found, on=["source", "pair_id"], maintain_order="left").select(PAIR)


def read_reward_validation_pairs(lake: Lake) -> pl.DataFrame:
    """Read the pairs that measure the reward model; their prompts are in no training row.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected; sorted by pair_id.
    """
    held = pl.col("split") == "reward_validation"
    return lake.scan("preference_pairs").filter(held).select(PAIR).sort("pair_id").collect()


def select_held_out_prompts(prompts: pl.DataFrame, prompt_splits: pl.DataFrame) -> pl.DataFrame:
    """Select the prompts of `HELD_OUT`: prompt_id, prompt, reference, split; by prompt_id."""
    held_out = prompt_splits.filter(pl.col("split").is_in(HELD_OUT))
    return (
        held_out.join(prompts.select("prompt_id", "prompt", "reference"), on="prompt_id")
        .sort("prompt_id")
        .select("prompt_id", "prompt", "reference", "split")
    )


def list_iteration_splits(prompt_splits: pl.DataFrame) -> list[str]:
    """Return the names of the iterations' splits."""
    names = prompt_splits["split"].unique()
    return [name for name in names if iteration_number(name) is not None]


def count_iteration_prompts(prompt_splits: pl.DataFrame) -> list[int]:
    """Count the prompts of each iteration's split, iteration 1 first."""
    number = pl.col("split").str.extract(rf"^{ITERATION}(\d+)$").cast(pl.Int32)
    sizes = prompt_splits.group_by(iteration=number).agg(pl.len()).drop_nulls("iteration")
    return sizes.sort("iteration")["len"].to_list()
