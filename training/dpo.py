"""Direct preference optimisation of a policy against a fixed reference (paper, section 3.3).

One TRL DPOTrainer run, as a function and as `python -m training.dpo`. The default loss of a pair
(Rafailov et al. 2023, eq. 7; others: `training.settings.pair_losses`), with log-probabilities in
nats, summed over the response and its end of turn:

    -log sigmoid(beta [log π/ref(chosen | prompt) - log π/ref(rejected | prompt)])

A pair is one row `[prompt | chosen | rejected]`, and logits are computed at response tokens only
(`training.models.one_pass`). The pairs contain their token ids and the reference's
log-probabilities (`training.reference_logps`), so that training has one model in memory, not two.
TRL 1.16 can store log-probabilities, too (`precompute_ref_log_probs`). With `max_length`, the name
of its store changes with every setting; without it, the name does not depend on the truncation. So
that store is not used. Not here: the selection of pairs.

Deviation 1 from the published code, which cuts prompts to 1,000 tokens and responses to the
remaining length: pairs that are too long are dropped and recorded.
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("dpo")

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import polars as pl
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from training.models.loading.weights import load_causal_model
from training.models.one_pass.forward import share_prompts
from training.models.rendering import hash_rendering, load_tokenizer
from training.models.token_counts import EQUAL_SIDES
from training.runs.adapters import load_trained
from training.runs.drawn_examples import choose_order
from training.runs.examples import Make, Rows, split_fitting
from training.runs.precision import complete_arguments
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.objectives import DPOSettings
from training.settings.pair_losses import build_loss_arguments
from transforms.errors import InputError
from transforms.lake.records.reference_logps import SIDES, list_columns

METRICS = ("log_probs", "entropy", "mean_logits", "is_top1")
"""What TRL's loss and metrics read per token of a response."""


class TokenizedDPOTrainer(DPOTrainer):
    """DPOTrainer over rows of token ids and the reference's log-probabilities.

    TRL 1.16 accepts token ids in SFTTrainer and RewardTrainer, but its DPOTrainer would render the
    texts and compute the log-probabilities again. Under FSDP it still loads a reference from the
    start folder, and frees it before training.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def train_dpo(
    pairs: Rows | Path,
    start: Path,
    output: Path,
    settings: DPOSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a policy on preference pairs.

    Args:
        pairs: from `training.reference_logps.add_reference_logps`, with the same start; or the
            folder of their examples.
        start: checkpoint folder; training starts from its weights.
        output: folder of the finished checkpoint.
        settings: optimiser, length, beta and loss.
        seed: seed of the data order.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: the model is incomplete, no pair fits, or the log-probabilities of a pair are
            missing or were computed with another tokenizer or chat template.
    """
    started = time.perf_counter()
    load = partial(load_causal_model, start)

    def build(folder: Path, dataset: Dataset) -> DPOTrainer:
        trainer = TokenizedDPOTrainer(
            **load_trained(load, settings, dtype),
            args=complete_arguments(
                DPOConfig(
                    **build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
                    | choose_order(dataset, settings),
                    beta=settings.beta,
                    **build_loss_arguments(settings),
                    disable_dropout=True,
                    precompute_ref_log_probs=True,
                )
            ),
            train_dataset=dataset,
            processing_class=load_tokenizer(start),
        )
        share_prompts(trainer, settings, sides=2, outputs=METRICS)
        return trainer

    return train(
        build, output, settings, pairs, partial(load_maker, start, settings),
        load=load, started=started, report=report,
    )  # fmt: skip


def load_maker(start: Path, settings: DPOSettings) -> Make:
    """Load the tokenizer, and return the function that makes examples of tokenized pairs."""
    rendering_id = hash_rendering(load_tokenizer(start))

    def make(pairs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        examples = select_examples(pairs, rendering_id, settings.max_tokens)
        return split_fitting(examples, settings.max_tokens, "prompt_id", equal=EQUAL_SIDES)

    return make


def select_examples(
    rows: pl.DataFrame,
    rendering_id: str,
    max_tokens: int,
    sides: Sequence[str] = SIDES,
) -> pl.DataFrame:
    """Select the training columns: prompt_id, token ids, length, the reference's log-probabilities.

    Args:
        rows: from `training.reference_logps.add_reference_logps`.
        rendering_id: `hash_rendering` of the start model's tokenizer.
        max_tokens: longest row that is trained on; longer ones need no log-probabilities.
        sides: columns of the responses of a row.

    Raises:
        InputError: see `train_dpo`.
    """
    remedy = "give --reference, or add them with training.reference_logps for the same start"
    missing = [column for column in list_columns(sides) if column not in rows.columns]
    if missing:
        raise InputError(
            "the rows have no log-probabilities of the reference",
            expected=f"columns {', '.join(list_columns(sides))}",
            found=f"no column {', '.join(missing)}",
            remedy=remedy,
        )
    logps = [f"ref_{side}_logps" for side in sides]
    unfit = (pl.col("rendering_id") != rendering_id) | (
        pl.any_horizontal(pl.col(logps).is_null()) & (pl.col("length") <= max_tokens)
    )
    refused = rows.filter(unfit)
    if refused.height:
        raise InputError(
            "the reference's log-probabilities are missing, or were computed for other tokens",
            expected="one for every row that fits, with the tokenizer of the start model",
            found=f"{refused.height} of {rows.height} rows without them, the first with prompt_id"
            f" {refused['prompt_id'][0]}",
            remedy=remedy,
        )
    return rows.select("prompt_id", pl.col(list_columns(sides)).exclude("rendering_id"))
