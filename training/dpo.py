"""Direct preference optimisation of a policy against a fixed reference (paper, section 3.3).

Lives here: one TRL DPOTrainer run, as a function and as `python -m training.dpo`. Not here: how
pairs are chosen. The loss of a pair (Rafailov et al. 2023, eq. 7), log-probabilities summed over
the response and its end of turn, in nats:

    -log sigmoid(beta [log pi/ref(chosen | prompt) - log pi/ref(rejected | prompt)])

The reference is loaded from its own folder, never guessed from the start: from iteration 2 on they
differ. Deviation 1 from the published code, which cuts prompts to 1,000 tokens and answers to what
is left: pairs that do not fit are dropped and named.
"""

import time
from pathlib import Path
from typing import Annotated

import polars as pl
import torch
import typer
from datasets import Dataset
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase
from trl import DPOConfig, DPOTrainer

from training.checkpoint import require_model
from training.launch import (
    DtypeOption,
    OutputOption,
    SeedOption,
    SettingsOption,
    print_report,
    read_settings,
    run_command,
)
from training.settings import DPOSettings
from training.trainer import keep_fitting, load_tokenizer, token_ids, train, trl_arguments
from training.training_run import Report, TrainingRun
from transforms.errors import InputError


class TokenisedDPOTrainer(DPOTrainer):
    """DPOTrainer over rows of token ids.

    TRL 1.16 takes such rows in SFTTrainer and RewardTrainer; its DPOTrainer would render again.
    """

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        return dataset


def train_dpo(
    pairs: pl.DataFrame,
    start: Path,
    reference: Path,
    output: Path,
    settings: DPOSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Train a policy on best-against-worst pairs.

    Args:
        pairs: columns prompt_id, prompt, chosen, rejected (message lists; the last two hold the
            last turn only).
        start: checkpoint folder whose weights training starts from.
        reference: checkpoint folder of the frozen reference.
        output: folder of the finished checkpoint.
        settings: optimiser, length and beta.
        seed: seed of the data order.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: an incomplete model, a chat template that renders a prompt in two ways, or no
            pair that fits.
    """
    started = time.perf_counter()
    tokenizer = load_tokenizer(start)
    require_model(reference)
    dataset, dropped = keep_fitting(
        tokenise_responses(tokenizer, pairs), settings.max_tokens, "prompt_id"
    )

    def build(folder: Path) -> DPOTrainer:
        return TokenisedDPOTrainer(
            model=AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32),
            ref_model=AutoModelForCausalLM.from_pretrained(reference, dtype=torch.float32),
            args=DPOConfig(
                **trl_arguments(settings, folder, seed=seed, dtype=dtype),
                beta=settings.beta,
                loss_type=["sigmoid"],
                disable_dropout=True,
            ),
            train_dataset=dataset,
            processing_class=tokenizer,
        )

    return train(build, output, settings, dropped=dropped, started=started, report=report)


def tokenise_responses(tokenizer: PreTrainedTokenizerBase, pairs: pl.DataFrame) -> pl.DataFrame:
    """Tokenise prompts and responses: prompt_id, prompt_ids, chosen_ids, rejected_ids, length.

    `prompt_ids` end with the generation prompt, as when responses are sampled; a response ends with
    the end of turn that the template writes.

    Raises:
        InputError: a rendered conversation does not begin with its rendered prompt.
    """
    prompts = pairs["prompt"].to_list()
    prompt_ids = token_ids(tokenizer, prompts, add_generation_prompt=True)
    responses: dict[str, list[list[int]]] = {}
    for side in ("chosen", "rejected"):
        answers = pairs[side].to_list()
        whole = token_ids(tokenizer, [p + a for p, a in zip(prompts, answers, strict=True)])
        for key, prompt, ids in zip(pairs["prompt_id"], prompt_ids, whole, strict=True):
            if ids[: len(prompt)] != prompt:
                raise InputError(
                    f"the chat template renders the prompt {key} in two ways",
                    expected=f"the {side} conversation to begin with {tokenizer.decode(prompt)!r}",
                    found=repr(tokenizer.decode(ids[: len(prompt)])),
                    remedy="use a template that leaves earlier turns as they are",
                )
        responses[side] = [ids[len(p) :] for p, ids in zip(prompt_ids, whole, strict=True)]
    return pairs.select(
        "prompt_id",
        pl.Series("prompt_ids", prompt_ids),
        *(pl.Series(f"{side}_ids", ids) for side, ids in responses.items()),
    ).with_columns(
        (
            pl.col("prompt_ids").list.len()
            + pl.max_horizontal(pl.col("chosen_ids", "rejected_ids").list.len())
        ).alias("length")
    )


def main(
    pairs: Annotated[Path, typer.Option(help="Parquet: prompt_id, prompt, chosen, rejected.")],
    start: Annotated[Path, typer.Option(help="Checkpoint that training starts from.")],
    reference: Annotated[Path, typer.Option(help="Checkpoint of the frozen reference.")],
    output: OutputOption,
    settings_file: SettingsOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Train a policy on preference pairs with DPO."""
    rows, settings = pl.read_parquet(pairs), read_settings(DPOSettings, settings_file)
    train_dpo(rows, start, reference, output, settings, seed=seed, dtype=dtype, report=print_report)


if __name__ == "__main__":
    run_command(main)
