"""The pairwise preference model (paper, section 2.2): π₀, trained to answer A or B.

One TRL SFTTrainer run, as a function and as `python -m training.preference_model`. The loss of a
pair is -log p(label), where p is over all tokens and the label is one token. Not here: the text of
a comparison (`training.models.comparison_prompts`), preference probabilities
(`training.models.preference_forward`).

Deviation 1 from the published code: the end of turn after the label is not in the loss.

Packed examples do not attend to each other: positions restart with each example, and attention
follows the positions (tested on a CPU with scaled-dot-product attention). Without flash attention
the cost of a forward pass is still quadratic in all its packed tokens. So packing is only faster on
a GPU with flash attention, or with a micro-batch of one block.
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("preference_model")

import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed
from trl import SFTConfig, SFTTrainer

from training.models.comparison_prompts import (
    Comparison,
    add_unknown_words,
    find_label_tokens,
    is_chosen_first,
    tokenize_comparisons,
)
from training.models.loading.weights import load_causal_model
from training.models.rendering import TOKEN_IDS, load_tokenizer
from training.runs.adapters import load_trained
from training.runs.examples import ORDER, Make, Rows, split_fitting
from training.runs.precision import complete_arguments
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.stages import PreferenceModelSettings
from training.sft import IGNORED


def train_preference_model(
    pairs: Rows | Path,
    policy: Path,
    output: Path,
    settings: PreferenceModelSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a preference model on preference pairs.

    Args:
        pairs: columns pair_id, prompt, chosen, rejected (message lists; the last two contain the
            last turn only), in any order; or the folder of their examples. They are trained on in
            the order of pair_id, a hash, and with `both_orders` then once more.
        policy: checkpoint folder to start from.
        output: folder of the finished checkpoint. Its tokenizer has additional words if the policy
            does not know them (`training.models.comparison_prompts.add_unknown_words`).
        settings: optimiser, length and packing. With packing, a batch counts blocks.
        seed: seed of data order, dropout and the embeddings of added words.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: the model is incomplete, its tokenizer has no single tokens for the labels, or
            no pair fits.
    """
    started = time.perf_counter()
    tokenizer = load_extended_tokenizer(policy)

    def load(dtype: str, **options: Any) -> PreTrainedModel:
        return load_with_words(policy, len(tokenizer), seed, dtype, **options)

    def build(folder: Path, dataset: Dataset) -> SFTTrainer:
        arguments = build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
        if settings.packing:
            arguments |= {"packing": True, "max_length": settings.max_tokens}
        return SFTTrainer(
            **load_trained(load, settings, dtype),
            args=complete_arguments(SFTConfig(**arguments)),
            train_dataset=dataset,
            processing_class=tokenizer,
        )

    return train(
        build, output, settings, pairs, partial(load_maker, policy, settings),
        load=load, started=started, report=report,
    )  # fmt: skip


def load_maker(policy: Path, settings: PreferenceModelSettings) -> Make:
    """Load the tokenizer, and return the function that makes examples of pairs."""
    tokenizer = load_extended_tokenizer(policy)

    def make(pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        labelled = label_comparisons(tokenizer, pairs, both_orders=settings.both_orders)
        kept, dropped = split_fitting(
            labelled, settings.max_tokens, "pair_id", equal=pl.col("equal")
        )
        # one row per pair, also if both orders were dropped
        return kept.drop("equal"), dropped.unique(maintain_order=True)

    return make


def load_extended_tokenizer(policy: Path) -> PreTrainedTokenizerBase:
    """Load the policy's tokenizer, and add the words of a comparison that it does not know."""
    tokenizer = load_tokenizer(policy)
    add_unknown_words(tokenizer)
    return tokenizer


def label_comparisons(
    tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame, *, both_orders: bool
) -> pl.DataFrame:
    """Tokenize pairs as comparisons that end with their label.

    The label is A if the chosen response comes first, else B. The hash of the pair's id decides the
    order; with `both_orders` all pairs are appended once more in the other order.

    Returns:
        pair_id, input_ids, labels (-100 except for the last token), length (of the pair's longest
        example, so that both orders are kept or both are dropped), equal (whether both orders have
        the same tokens), order (of training: by pair_id, all first ones before all repeated ones).

    Raises:
        InputError: see `train_preference_model`.
    """
    tokens = {
        first: tokenize_comparisons(tokenizer, _list_comparisons(pairs, chosen_first=first))
        for first in (True, False)
    }
    equal = [one == other for one, other in zip(*tokens.values(), strict=True)]
    label = dict(zip(tokens, find_label_tokens(tokenizer), strict=True))
    shown = [is_chosen_first(pair_id) for pair_id in pairs["pair_id"]]
    orders = [shown, [not first for first in shown]] if both_orders else [shown]
    return pl.concat(
        pairs.select(
            "pair_id",
            pl.Series(
                "input_ids",
                [[*tokens[first][row], label[first]] for row, first in enumerate(order)],
                TOKEN_IDS,
            ),
            pl.Series(
                "labels",
                [
                    [IGNORED] * len(tokens[first][row]) + [label[first]]
                    for row, first in enumerate(order)
                ],
                TOKEN_IDS,
            ),
            equal=pl.Series(equal, dtype=pl.Boolean),
            **{ORDER: pl.format("{}/{}", pl.lit(number), "pair_id")},
        )
        for number, order in enumerate(orders)
    ).with_columns(pl.col("input_ids").list.len().max().over("pair_id").alias("length"))


def _list_comparisons(pairs: pl.DataFrame, *, chosen_first: bool) -> list[Comparison]:
    """List the comparisons of pairs in one order."""
    columns = pairs.select("prompt", "chosen", "rejected")
    return [
        (prompt, *(sides if chosen_first else sides[::-1]))
        for prompt, chosen, rejected in columns.iter_rows()
        for sides in [(chosen[-1]["content"], rejected[-1]["content"])]
    ]


def load_with_words(
    policy: Path, tokens: int, seed: int, dtype: str = "float32", **options: Any
) -> PreTrainedModel:
    """Load the policy; added words get random embeddings from the seed."""
    set_seed(seed)
    model = load_causal_model(policy, dtype, **options)
    if tokens > cast(torch.nn.Embedding, model.get_input_embeddings()).num_embeddings:
        # with the mean of the old rows, A and B would start with the same embedding
        model.resize_token_embeddings(tokens, mean_resizing=False)
    return model
