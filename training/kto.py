"""Kahneman-Tversky optimisation of a policy on unpaired responses (Ethayarajh et al. 2024).

One TRL KTOTrainer run, as a function and as `python -m training.kto`. `KTOSettings` has the loss
(arXiv 2402.01306, eqs. 7 and 8). Not here: which responses are desirable
(`transforms.pairs.unpaired`).

As in DPO, the rows contain token ids and the reference's log-probabilities
(`training.reference_logps`): of the response, and of the mismatched response from which the KL term
z is estimated. TRL mismatches responses within a batch of a fixed order. So the rows are trained on
in the order in which they are given (`add_mismatched` shuffles them by the seed), not by length.
They are packed, without padding, and logits are computed at response tokens only; there is no
prompt to share, because the mismatched responses are computed without gradients, in another pass.

Deviation 1 from TRL: responses are mismatched first, then rows that are too long are dropped. Each
dropped row shifts all later batches by one row, so a batch then combines rows of two of the batches
in which responses were mismatched.
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("kto")

import time
from functools import partial
from pathlib import Path

import polars as pl
from datasets import Dataset
from trl import KTOConfig, KTOTrainer

from training.dpo import select_examples
from training.models.loading.weights import load_causal_model
from training.models.one_pass.forward import share_prompts
from training.models.rendering import hash_rendering, load_tokenizer
from training.runs.adapters import load_trained
from training.runs.examples import Make, Rows, split_fitting
from training.runs.precision import complete_arguments
from training.runs.run_record import Report, TrainingRun
from training.runs.trainer import build_trl_arguments, train
from training.settings.objectives import KTOSettings
from transforms.pairs.unpaired import SIDES

METRICS = ("log_probs", "entropy", "mean_logits")
"""What TRL's loss and metrics read per token of a response."""


class TokenizedKTOTrainer(KTOTrainer):
    """KTOTrainer over rows of token ids and the reference's log-probabilities (`training.dpo`)."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset

    def _precompute_ref_logps(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def train_kto(
    responses: Rows | Path,
    start: Path,
    output: Path,
    settings: KTOSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a policy on desirable and undesirable responses.

    Args:
        responses: rows of `add_mismatched`, then of
            `training.reference_logps.add_reference_logps` for both completions, with the same
            start; with the column label (bool). Or the folder of their examples.
        start: checkpoint folder; training starts from its weights.
        output: folder of the finished checkpoint.
        settings: optimiser, length, beta and weights.
        seed: seed of the run; the rows keep their order.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: the model is incomplete, no row fits, or the log-probabilities of a row are
            missing or were computed with another tokenizer or chat template.
    """
    started = time.perf_counter()
    load = partial(load_causal_model, start)

    def build(folder: Path, dataset: Dataset) -> KTOTrainer:
        arguments = build_trl_arguments(settings, folder, seed=seed, dtype=dtype)
        trainer = TokenizedKTOTrainer(
            **load_trained(load, settings, dtype),
            args=complete_arguments(
                KTOConfig(
                    **arguments | {"train_sampling_strategy": "sequential"},
                    beta=settings.beta,
                    desirable_weight=settings.desirable_weight,
                    undesirable_weight=settings.undesirable_weight,
                    disable_dropout=True,
                    precompute_ref_log_probs=True,
                )
            ),
            train_dataset=dataset,
            processing_class=load_tokenizer(start),
        )
        share_prompts(trainer, settings, sides=1, outputs=METRICS)
        return trainer

    return train(
        build, output, settings, responses, partial(load_maker, start, settings),
        load=load, started=started, report=report,
    )  # fmt: skip


def load_maker(start: Path, settings: KTOSettings) -> Make:
    """Load the tokenizer, and return the function that makes examples of tokenized responses."""
    rendering_id = hash_rendering(load_tokenizer(start))

    def make(responses: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        examples = select_examples(responses, rendering_id, settings.max_tokens, SIDES).rename(
            {"ref_completion_logps": "ref_logps", "ref_KL_completion_logps": "ref_KL_logps"}
        )
        labelled = examples.with_columns(responses["label"])
        return split_fitting(labelled, settings.max_tokens, "prompt_id")

    return make
