"""The examples that a training of `max_steps` reads, drawn before the work that they need.

Offline DPO stops after a part of its mixture, and a pass of the reference over the rest would be
for nothing. So the examples are drawn first, in the order in which they are trained on. It is the
order in which transformers' Trainer would read the whole dataset: batches of similar length, from
the seed. Not here: the pass of the reference (`training.reference_logps`).
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
import torch
from datasets import Dataset
from transformers.trainer_pt_utils import get_length_grouped_indices

from training.models.token_counts import EQUAL_SIDES
from training.runs.examples import split_fitting
from training.settings.training import TrainingSettings
from transforms.lake.records.reference_logps import SIDES

IN_ORDER = {"train_sampling_strategy": "sequential"}
"""Argument of a trainer that reads its examples in their order."""


def draw_examples(
    rows: pl.DataFrame, sides: Sequence[str], settings: TrainingSettings, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Draw the rows of a training, if it does not read all of them.

    Args:
        rows: tokenized rows: prompt_id, length, the token ids of `sides`, and others.
        sides: columns of the responses of a row. Rows that are no pairs (KTO) are read in their
            order, so the first ones are drawn.
        settings: max_steps, batch_size, max_tokens.
        seed: seed of the training.

    Returns:
        The drawn rows in the order of the training, and the rows that cannot be trained on
        (`token_counts.DROPPED`); or all rows and none, if all are read.
    """
    are_pairs = tuple(sides) == SIDES
    columns = ["prompt_id", "length", *(f"{side}_ids" for side in sides)]
    fitting, dropped = split_fitting(
        rows.select(columns).with_row_index("row"),
        settings.max_tokens,
        "prompt_id",
        equal=EQUAL_SIDES if are_pairs else None,
    )
    needed = (settings.max_steps or fitting.height + 1) * settings.batch_size
    if needed > fitting.height:
        return rows, dropped.clear()
    drawn = fitting["row"]
    if are_pairs:
        drawn = drawn.gather(
            _order_by_length(fitting["length"].to_list(), settings.batch_size, seed)
        )
    return rows[drawn[:needed]], dropped


def choose_order(dataset: Dataset, settings: TrainingSettings) -> dict[str, Any]:
    """Return the arguments of a trainer for drawn examples; none if it shuffles all of them."""
    drawn = settings.max_steps and len(dataset) == settings.max_steps * settings.batch_size
    return IN_ORDER if drawn else {}


def _order_by_length(lengths: Sequence[int], batch: int, seed: int) -> list[int]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.empty((), dtype=torch.int64).random_()  # a DataLoader first draws its own seed
        return get_length_grouped_indices(lengths, batch)
