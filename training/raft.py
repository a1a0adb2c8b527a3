"""Fine-tuning of a policy on its own best responses (RAFT, Dong et al. 2023, arXiv 2304.06767).

One TRL SFTTrainer run over prompts and responses, as a function and as `python -m training.raft`.
The loss is the negative log-likelihood of the response and its end of turn, averaged over the
tokens of a batch. Earlier turns of the assistant are context and not in the loss, as in DPO. Not
here: selecting the best of n (`transforms.pairs.best_of_n`).
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("raft")

import time
from functools import partial
from pathlib import Path

import polars as pl

from training.models.rendering import TOKEN_IDS, load_tokenizer
from training.models.token_ids import tokenize_responses
from training.runs.examples import Make, Rows, split_fitting
from training.runs.run_record import Report, TrainingRun
from training.settings.objectives import RAFTSettings
from training.sft import IGNORED, fit


def train_raft(
    responses: Rows | Path,
    start: Path,
    output: Path,
    settings: RAFTSettings,
    *,
    seed: int,
    dtype: str,
    report: Report | None = None,
) -> TrainingRun:
    """Fine-tune a policy on responses.

    Args:
        responses: columns prompt_id, prompt, completion (message lists; completion contains the
            last turn only); or the folder of their examples.
        start: checkpoint folder; training starts from its weights.
        output: folder of the finished checkpoint.
        settings: optimiser and length.
        seed: seed of data order and dropout.
        dtype: compute type, `float32` or `bfloat16`.
        report: called at every logged step with step, number of steps and metrics.

    Raises:
        InputError: the model is incomplete, its chat template renders a prompt in two ways, or no
            response fits.
    """
    started = time.perf_counter()
    return fit(
        responses, partial(load_maker, start, settings), start, output, settings,
        seed=seed, dtype=dtype, report=report, started=started,
    )  # fmt: skip


def load_maker(start: Path, settings: RAFTSettings) -> Make:
    """Load the tokenizer, and return the function that makes examples of responses."""
    tokenizer = load_tokenizer(start)

    def make(responses: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        prompt, completion = pl.col("prompt_ids"), pl.col("completion_ids")
        ignored = pl.lit(IGNORED, pl.Int32).repeat_by(prompt.list.len())
        examples = tokenize_responses(tokenizer, responses, ("completion",)).select(
            "prompt_id",
            pl.concat_list(prompt, completion).cast(TOKEN_IDS).alias("input_ids"),
            pl.concat_list(ignored, completion).cast(TOKEN_IDS).alias("labels"),
            "length",
        )
        return split_fitting(examples, settings.max_tokens, "prompt_id")

    return make
