"""Selection of rows by split: training pairs, reward validation pairs, held-out prompts.

Not here: which split a prompt belongs to (`transforms.prompts.splits`).
"""

import polars as pl

from transforms.lake.asset_names import ITERATION, iteration_number
from transforms.prompts.splits import HELD_OUT

PAIR = ("pair_id", "prompt_id", "prompt", "chosen", "rejected")


def select_training_pairs(
    preference_pairs: pl.DataFrame, mixture_pairs: pl.DataFrame
) -> pl.DataFrame:
    """Select the pairs of a mixture for training, in a stable order that mixes the sources.

    Args:
        preference_pairs: table of that name.
        mixture_pairs: rows of one mixture.

    Returns:
        pair_id, prompt_id, prompt, chosen, rejected; sorted by pair_id, a hash; one row per copy
        of a pair.
    """
    copies = mixture_pairs.select("source", "pair_id", copy=pl.int_ranges("copies"))
    mixed = preference_pairs.join(copies, on=["source", "pair_id"])
    return mixed.explode("copy").sort("pair_id", "copy").select(PAIR)


def select_reward_validation_pairs(preference_pairs: pl.DataFrame) -> pl.DataFrame:
    """Select the pairs that measure the reward model; their prompts are in no training row."""
    return preference_pairs.filter(split="reward_validation").sort("pair_id").select(PAIR)


def select_held_out_prompts(prompts: pl.DataFrame, prompt_splits: pl.DataFrame) -> pl.DataFrame:
    """Select the prompts of `HELD_OUT`: prompt_id, prompt, split; sorted by prompt_id."""
    held_out = prompt_splits.filter(pl.col("split").is_in(HELD_OUT))
    return (
        held_out.join(prompts.select("prompt_id", "prompt"), on="prompt_id")
        .sort("prompt_id")
        .select("prompt_id", "prompt", "split")
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
