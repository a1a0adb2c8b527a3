"""Supervised fine-tuning of the initial model on demonstrations: π₀ (paper, section 3.1).

One TRL SFTTrainer run, as a function and as `python -m training.sft`. Not here: the selection of
demonstrations.

Deviation 1: the loss is on the assistant's turns, including the token that ends each. In the
published code it is on all tokens.
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("sft")

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer
from trl.chat_template_utils import (
    get_training_chat_template,
    has_generation_markers,
    is_chat_template_stop_token_trained,
)

from training.models.intake.unmarked_turns import tokenize_unmarked_turns
from training.models.loading.weights import load_causal_model
from training.models.rendering import TOKEN_IDS, load_tokenizer, tokenize_assistant_turns
from training.runs.adapters import load_trained
from training.runs.examples import Make, Rows, split_fitting
from training.runs.precision import complete_arguments
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.stages import SFTSettings
from training.settings.training import TrainingSettings
from transforms.errors import InputError

IGNORED = -100
"""Label of a token that is not in the loss."""


def train_sft(
    demonstrations: Rows | Path,
    model: Path,
    output: Path,
    settings: SFTSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a model on conversations, by the negative log-likelihood of the assistant's tokens.

    Args:
        demonstrations: columns row_key, messages; or the folder of their examples.
        model: checkpoint folder to start from.
        output: folder of the finished checkpoint.
        settings: optimiser, length and packing.
        seed: seed of data order and dropout.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: the model is incomplete, the marks of its chat template exclude the end of a
            turn from the loss, a conversation has no assistant turn, or no example fits.
    """
    started = time.perf_counter()
    return fit(
        demonstrations, partial(load_maker, model, settings), model, output, settings,
        seed=seed, dtype=dtype, report=report, started=started,
    )  # fmt: skip


def load_maker(model: Path, settings: SFTSettings) -> Make:
    """Load the tokenizer, and return the function that makes examples of demonstrations."""
    tokenizer = load_tokenizer(model)

    def make(demonstrations: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        examples = label_assistant_tokens(tokenizer, demonstrations)
        return split_fitting(examples, settings.max_tokens, "row_key")

    return make


def fit(
    rows: Rows | Path,
    maker: Callable[[], Make],
    model: Path,
    output: Path,
    settings: TrainingSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None,
    started: float,
) -> TrainingRun:
    """Train a model on labelled tokens.

    Args:
        rows: the stage's rows, or the folder of their examples.
        maker: returns the function that makes the examples: input_ids, labels (-100 outside the
            loss), length.
        model: checkpoint folder to start from.
        output: folder of the finished checkpoint.
        settings: optimiser and length; packing if they are `SFTSettings`.
        seed: seed of data order and dropout.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step.
        started: `time.perf_counter()` when the stage began.
    """
    load = partial(load_causal_model, model)
    packing = isinstance(settings, SFTSettings) and settings.packing

    def build(folder: Path, dataset: Dataset) -> SFTTrainer:
        arguments = build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
        if packing:
            arguments |= {"packing": True, "max_length": settings.max_tokens}
        return SFTTrainer(
            **load_trained(load, settings, dtype),
            args=complete_arguments(SFTConfig(**arguments)),
            train_dataset=dataset,
            processing_class=load_tokenizer(model),
        )

    return train(build, output, settings, rows, maker, load=load, started=started, report=report)


def label_assistant_tokens(
    tokenizer: PreTrainedTokenizerBase, demonstrations: pl.DataFrame
) -> pl.DataFrame:
    """Tokenize conversations: row_key, input_ids, labels (-100 outside assistant turns), length.

    Raises:
        InputError: see `train_sft`.
    """
    template = _find_training_template(tokenizer)
    conversations = demonstrations["messages"].to_list()
    keys = [f"row_key {key}" for key in demonstrations["row_key"]]
    token_ids, masks = (
        tokenize_unmarked_turns(tokenizer, conversations, keys)
        if template is None
        else tokenize_assistant_turns(tokenizer, conversations, template, keys)
    )
    labels = [
        [token if assistant else IGNORED for token, assistant in zip(ids, mask, strict=True)]
        for ids, mask in zip(token_ids, masks, strict=True)
    ]
    examples = demonstrations.select(
        "row_key",
        pl.Series("input_ids", token_ids, TOKEN_IDS),
        pl.Series("labels", labels, TOKEN_IDS),
    ).with_columns(pl.col("input_ids").list.len().alias("length"))
    mute = examples.filter(pl.col("labels").list.max() == IGNORED)
    if mute.height:
        raise InputError(
            "demonstrations without an assistant turn cannot be trained on",
            expected="an assistant turn in every conversation",
            found=f"{mute.height} without one, the first with row_key {mute['row_key'][0]}",
            remedy="remove them from the table demonstrations",
        )
    return examples


def _find_training_template(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """Find a template that marks the assistant's tokens, the tokenizer's or TRL's; or None."""
    template = tokenizer.chat_template
    if not has_generation_markers(template):
        try:
            template = get_training_chat_template(tokenizer) or template
        except ValueError:  # a template that TRL does not know
            return None
    if not is_chat_template_stop_token_trained(tokenizer, chat_template=template):
        raise InputError(
            "the chat template leaves the end of a turn out of the loss",
            expected="the end-of-turn token inside {% generation %} ... {% endgeneration %}",
            found="the end-of-turn token after the mark; the model would never learn to stop",
            remedy="move the mark in chat_template.jinja, or remove all marks",
        )
    return template
