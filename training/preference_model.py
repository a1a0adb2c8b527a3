"""The pairwise preference model (paper, section 2.2): pi_0, trained to answer A or B.

One TRL SFTTrainer run, as a function and as `python -m training.preference_model`. Not here: the
text of a comparison (`training.models.comparison_prompts`), preference probabilities
(`training.models.preference_forward`). The loss of a pair is -log of the probability, among all
tokens, of the one label token.

Deviation 1 from the published code: the end of the turn behind the label is not trained.
Packed examples do not see each other: positions begin anew with each, and attention follows them
(tested on a CPU with scaled-dot-product attention). Without flash attention a forward pass still
costs the square of all its packed tokens, so that packing pays on a GPU with flash attention only,
or with a micro batch of one block.
"""

import time
from pathlib import Path
from typing import Annotated

import polars as pl
import torch
import typer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, set_seed
from trl import SFTConfig, SFTTrainer

from training.models.comparison_prompts import (
    add_unknown_words,
    find_label_tokens,
    is_chosen_first,
    tokenize_comparisons,
)
from training.models.rendering import load_tokenizer
from training.runs.launch import (
    DtypeOption,
    OutputOption,
    SeedOption,
    SettingsOption,
    print_report,
    read_settings,
    run_command,
)
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, keep_fitting, train
from training.settings.stages import PreferenceModelSettings
from training.sft import IGNORED


def train_preference_model(
    pairs: pl.DataFrame,
    policy: Path,
    output: Path,
    settings: PreferenceModelSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a preference model on comparisons.

    Args:
        pairs: columns pair_id, prompt, chosen, rejected (message lists; the last two hold the last
            turn only).
        policy: checkpoint folder to start from.
        output: folder of the finished checkpoint; its tokenizer has the words of the format, if
            the policy's did not (`training.models.comparison_prompts.add_unknown_words`).
        settings: optimiser, length and packing. With packing, a batch counts blocks.
        seed: seed of data order, dropout and of the weights of added words.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: an incomplete model, a tokenizer without single tokens for the labels, or no
            pair that fits.
    """
    started = time.perf_counter()
    tokenizer = load_tokenizer(policy)
    add_unknown_words(tokenizer)
    examples = label_comparisons(tokenizer, pairs, both_orders=settings.both_orders)
    dataset, dropped = keep_fitting(examples, settings.max_tokens, "pair_id")
    dropped = dropped.unique(
        maintain_order=True
    )  # one row per pair, also where both orders were dropped

    def build(folder: Path) -> SFTTrainer:
        arguments = build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
        if settings.packing:
            arguments |= {"packing": True, "max_length": settings.max_tokens}
        return SFTTrainer(
            model=load_with_words(policy, len(tokenizer), seed),
            args=SFTConfig(**arguments),
            train_dataset=dataset,
            processing_class=tokenizer,
        )

    return train(build, output, settings, dropped=dropped, started=started, report=report)


def label_comparisons(
    tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame, *, both_orders: bool
) -> pl.DataFrame:
    """Tokenise comparisons: pair_id, input_ids, labels (-100 but for the last token), length.

    The last token is the label: A where the chosen response is the first, else B. The order of a
    pair is drawn by its id; with `both_orders` the pairs follow once more in the other order.
    `length` is that of the pair's longest example, so that both orders are kept or dropped.

    Raises:
        InputError: see `train_preference_model`.
    """
    drawn = pairs.with_columns(
        chosen_first=pl.Series([is_chosen_first(pair_id) for pair_id in pairs["pair_id"]])
    )
    if both_orders:
        drawn = pl.concat([drawn, drawn.with_columns(~pl.col("chosen_first"))])
    comparisons, answers = [], []
    labels = find_label_tokens(tokenizer)
    for prompt, chosen, rejected, chosen_first in drawn.select(
        "prompt", "chosen", "rejected", "chosen_first"
    ).iter_rows():
        sides = chosen[-1]["content"], rejected[-1]["content"]
        comparisons.append((prompt, *(sides if chosen_first else sides[::-1])))
        answers.append(labels[0] if chosen_first else labels[1])
    questions = tokenize_comparisons(tokenizer, comparisons)
    return drawn.select(
        "pair_id",
        pl.Series("input_ids", [[*q, a] for q, a in zip(questions, answers, strict=True)]),
        pl.Series(
            "labels", [[IGNORED] * len(q) + [a] for q, a in zip(questions, answers, strict=True)]
        ),
    ).with_columns(pl.col("input_ids").list.len().max().over("pair_id").alias("length"))


def load_with_words(policy: Path, tokens: int, seed: int) -> torch.nn.Module:
    """Load the policy; added words get new rows, drawn from the seed."""
    set_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(policy, dtype=torch.float32)
    if tokens > model.get_input_embeddings().num_embeddings:
        # the mean of the old rows would make A and B one word to begin with
        model.resize_token_embeddings(tokens, mean_resizing=False)
    return model


def main(
    pairs: Annotated[Path, typer.Option(help="Parquet: pair_id, prompt, chosen, rejected.")],
    policy: Annotated[Path, typer.Option(help="Checkpoint to start from.")],
    output: OutputOption,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Train a pairwise preference model on comparisons."""
    rows, settings = pl.read_parquet(pairs), read_settings(PreferenceModelSettings, settings_file)
    train_preference_model(
        rows, policy, output, settings, seed=seed, dtype=dtype, report=print_report
    )


if __name__ == "__main__":
    run_command(main)
