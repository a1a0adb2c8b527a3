"""Preference pairs labelled by instructions: composed onto the prompt, and checked by a program.

Not here: the composition (`transforms.prompts.instructions.compose`), the source's own labels
(`transforms.sources.intake.preferences`).
"""

import polars as pl

from transforms.identity import identify_messages
from transforms.lake.schemas import schema_of
from transforms.prompts.instructions.compose import compose_instructions
from transforms.prompts.instructions.registry import measure_followed_share
from transforms.sources.intake.preferences import identify_pairs
from transforms.sources.layouts.rules import Rule, apply_rules

SIDES = ("chosen", "rejected")


def label_pairs(pairs: pl.DataFrame, most: int | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compose instructions onto the prompts of pairs, and label the pairs by them.

    The response that follows the larger share of the instructions becomes chosen, whatever the
    source says. The scores are the shares.

    Args:
        pairs: `preference_pairs`, with or without `split`.
        most: maximum number of instructions per prompt; None: pairs stay as they are.

    Returns:
        The pairs in order, with the longer prompt, new ids and new labels; and `dropped_rows`:
        pairs whose responses follow equal shares, with the reason `instructions_tie`.
    """
    if most is None:
        return pairs, pl.DataFrame(schema=schema_of("dropped_rows"))
    composed = compose_instructions(pairs, most)
    shares = [
        pl.Series(
            f"{side}_share",
            [
                measure_followed_share(turns[-1]["content"], reference)
                for turns, reference in composed.select(side, "reference").iter_rows()
            ],
            dtype=pl.Float64,
        )
        for side in SIDES
    ]
    shown = pl.format("both follow {} of {}", pl.col("chosen_share").round(2), "reference")
    tie = Rule("instructions_tie", pl.col("chosen_share") == pl.col("rejected_share"), shown)
    kept, dropped = apply_rules("preference_pairs", composed.with_columns(shares), [tie])
    swapped = pl.col("rejected_share") > pl.col("chosen_share")
    turned = kept.with_columns(
        chosen=pl.when(swapped).then("rejected").otherwise("chosen"),
        rejected=pl.when(swapped).then("chosen").otherwise("rejected"),
        chosen_score=pl.max_horizontal("chosen_share", "rejected_share"),
        rejected_score=pl.min_horizontal("chosen_share", "rejected_share"),
    )
    labelled = turned.with_columns(
        prompt_id=identify_messages("prompt"),
        pair_id=identify_pairs("prompt", *SIDES),
        margin=pl.col("chosen_score") - pl.col("rejected_score"),
    )
    return labelled.select(pairs.columns), dropped
