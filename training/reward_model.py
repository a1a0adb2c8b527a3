"""The Bradley-Terry reward model (paper, section 2.2): a scalar head on π₀, at the last token.

One TRL RewardTrainer run, as a function and as `python -m training.reward_model`. The loss of a
pair is -log sigmoid(r(prompt, chosen) - r(prompt, rejected)). The prompt of a pair is computed once
(`training.models.one_pass`). Not here: scoring with the model (`training.scoring`).

Deviation 1 from the published code: the model reads the BOS, as the policy does. The published code
deletes it from the text, and a tokenizer bug removes it in training.
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("reward_model")

import time
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed
from trl import RewardConfig, RewardTrainer

from training.models.loading.weights import load_classifier, require_trainable_classifier
from training.models.one_pass.forward import share_prompts_of_classifier
from training.models.rendering import (
    TOKEN_IDS,
    extract_texts,
    load_tokenizer,
    tokenize_conversations,
)
from training.models.rewards import compute_head_in_float32
from training.models.token_counts import EQUAL_SIDES
from training.runs.adapters import load_trained
from training.runs.examples import ORDER, Make, Rows, split_fitting
from training.runs.precision import complete_arguments
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.stages import RewardModelSettings


def train_reward_model(
    pairs: Rows | Path,
    policy: Path,
    output: Path,
    settings: RewardModelSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a reward model on preference pairs.

    Args:
        pairs: columns pair_id, prompt, chosen, rejected (message lists; the last two contain the
            last turn only), in any order; or the folder of their examples. They are trained on in
            the order of pair_id, a hash, which mixes the sources.
        policy: checkpoint folder; training starts from its weights. A causal model gets a new head
            from the seed. A reward model keeps its head and is trained further.
        output: folder of the finished checkpoint.
        settings: optimiser and length.
        seed: seed of the head, data order and dropout.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: the model is incomplete or no causal decoder, or no pair fits.
    """
    started = time.perf_counter()
    require_trainable_classifier(policy)

    def load(dtype: str, **options: Any) -> PreTrainedModel:
        set_seed(seed)  # of a new head
        model = load_classifier(policy, dtype, new_head=True, **options)
        compute_head_in_float32(model)
        return model

    def build(folder: Path, dataset: Dataset) -> RewardTrainer:
        arguments = build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
        trainer = RewardTrainer(
            **load_trained(load, settings, dtype, head="score"),
            args=complete_arguments(RewardConfig(**arguments)),
            train_dataset=dataset,
            processing_class=load_tokenizer(policy),
        )
        share_prompts_of_classifier(trainer, settings, sides=2)
        return trainer

    return train(
        build, output, settings, pairs, partial(load_maker, policy, settings),
        load=load, started=started, report=report,
    )  # fmt: skip


def load_maker(policy: Path, settings: RewardModelSettings) -> Make:
    """Load the tokenizer, and return the function that makes examples of pairs."""
    tokenizer = load_tokenizer(policy)

    def make(pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        examples = tokenize_pairs(tokenizer, pairs).with_columns(pl.col("pair_id").alias(ORDER))
        return split_fitting(examples, settings.max_tokens, "pair_id", equal=EQUAL_SIDES)

    return make


def tokenize_pairs(tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame) -> pl.DataFrame:
    """Tokenize both conversations of each pair: pair_id, chosen_ids, rejected_ids, length."""
    prompts = pairs["prompt"].to_list()
    sides = {
        side: tokenize_conversations(tokenizer, prompts, extract_texts(pairs[side]))
        for side in ("chosen", "rejected")
    }
    return pairs.select(
        "pair_id", *(pl.Series(f"{side}_ids", ids, TOKEN_IDS) for side, ids in sides.items())
    ).with_columns(
        pl.max_horizontal(pl.col("chosen_ids", "rejected_ids").list.len()).alias("length")
    )
