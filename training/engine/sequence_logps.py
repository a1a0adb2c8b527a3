"""Log-probabilities of completions under a model, for token ids and for texts; also a command.

For a prompt x and a completion y, in nats:

    logp(y | x) = sum over t = 1..|y| of log p(y_t | x, y_1..y_{t-1})

With a reference q, also that of q, and the KL of the completion:

    kl(y | x) = sum over t = 1..|y| of KL(p(. | x, y_1..y_{t-1}) || q(. | x, y_1..y_{t-1}))

Not here: the forward pass (`training.models.logps`), the frozen reference and its stored values
(`training.reference_logps`), means over responses (`transforms.measures`).
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import torch
import typer
from accelerate.utils import release_memory
from tqdm import tqdm
from transformers import PreTrainedModel

from training.engine.chunk_folder import ChunkFolder, compute_missing
from training.engine.replicas import StageCommand, run_on_replicas
from training.models.batches import require_fit
from training.models.control_tokens import tokenize_texts
from training.models.end_of_turn import find_end_of_turn
from training.models.loading.config import read_context_tokens
from training.models.loading.weights import load_causal_model
from training.models.logps import (
    Comparison,
    compare_policies,
    store_linear_weights_in_bfloat16,
    sum_logps,
)
from training.models.one_pass.families import prepare_one_pass
from training.models.rendering import load_tokenizer, tokenize_prompts
from training.runs.adapters import load_model
from training.runs.command_line.options import (
    ChunksOption,
    DevicesOption,
    DtypeOption,
    SettingsOption,
    read_settings,
)
from training.runs.command_line.run import run_command
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.scoring import LogpsSettings
from training.settings.training import TrainingSettings

ROWS_AT_ONCE = 4096
"""Rows that are tokenized in one call and then grouped by length."""
COMMAND = StageCommand(
    "training.engine.sequence_logps", rows="sequences", key="prompt", unit="sequence"
)


def compute_logps(
    sequences: Iterable[pl.DataFrame],
    model: Path,
    settings: LogpsSettings,
    *,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    devices: DeviceSettings = ONE_PROCESS,
    description: str,
    total: int,
    reference: Path | None = None,
) -> None:
    """Run a model over sequences, and commit the sums in chunks, in the order of the rows.

    log_softmax is float32. With replicas, other sequences share a batch: sums differ by rounding.

    Args:
        sequences: frames of sequence_id (unique), prompt_ids, completion_ids; read one by one.
        model: checkpoint folder of a causal model.
        settings: batch_tokens, chunk_sequences, and the training whose weights are used.
        dtype: compute type, `float32` or `bfloat16`.
        commit: called with sequence_id, completion_tokens, logp (nats), and with a reference also
            reference_logp and kl, for every chunk; with replicas in order of completion.
        devices: replicas, and GPUs of each.
        description: text of the progress bar.
        total: sequences of all frames.
        reference: folder of a second model with the same vocabulary, which is in memory beside the
            first and reads the same batches.

    Raises:
        InputError: the model is incomplete, or there are too few GPUs.
        RuntimeError: a replica failed.
    """
    if devices.in_processes:
        further = {} if reference is None else {"reference": reference}
        run_on_replicas(
            COMMAND,
            (
                frame.select(
                    "sequence_id",
                    "prompt_ids",
                    "completion_ids",
                    prompt=pl.col("prompt_ids").cast(pl.List(pl.String)).list.join(" "),
                )
                for frame in sequences
            ),
            [{"model": model, "dtype": dtype} | further] * devices.replicas,
            devices,
            settings=settings,
            commit=commit,
            description=description,
            total=total,
        )
        return
    trained = settings.training
    policy = _load_policy(model, trained, dtype, devices)
    second = None if reference is None else _load_policy(reference, trained, dtype, devices)
    with (
        torch.autocast(policy.device.type, torch.bfloat16, enabled=_uses_autocast(trained, dtype)),
        tqdm(total=total, desc=description, unit="sequence", disable=None) as bar,
    ):
        for chunk in (c for f in sequences for c in f.iter_slices(settings.chunk_sequences)):
            sums = _sum_chunk(policy, second, chunk, settings.batch_tokens)
            tokens = pl.col("completion_ids").list.len().cast(pl.Int32)
            commit(chunk.select("sequence_id", tokens.alias("completion_tokens"), *sums))
            bar.update(chunk.height)
    del policy, second
    release_memory()  # an engine or a training that starts next needs nearly the whole GPU


def _load_policy(
    folder: Path, trained: TrainingSettings | None, dtype: str, devices: DeviceSettings
) -> PreTrainedModel:
    load = partial(load_causal_model, folder, gpus=devices.gpus_per_replica)
    policy = (load(dtype) if trained is None else load_model(load, trained, dtype)).eval()
    if _uses_autocast(trained, dtype):
        store_linear_weights_in_bfloat16(policy)
    prepare_one_pass(policy, trained)
    return policy


def _uses_autocast(trained: TrainingSettings | None, dtype: str) -> bool:
    return trained is not None and dtype == "bfloat16"


def _sum_chunk(
    policy: PreTrainedModel,
    reference: PreTrainedModel | None,
    chunk: pl.DataFrame,
    batch_tokens: int,
) -> list[pl.Series]:
    """Compute the columns of the sums of a chunk, in the order of its rows."""
    prompts, completions = chunk["prompt_ids"].to_list(), chunk["completion_ids"].to_list()
    rows = [prompt + ids for prompt, ids in zip(prompts, completions, strict=True)]
    starts = [len(prompt) for prompt in prompts]
    if reference is None:
        logps = dict(sum_logps(policy, rows, starts, batch_tokens))
        return [pl.Series("logp", [logps[row] for row in range(len(rows))], pl.Float64)]
    found = dict(compare_policies(policy, reference, rows, starts, batch_tokens))
    return [
        pl.Series(name, [getattr(found[row], name) for row in range(len(rows))], pl.Float64)
        for name in Comparison._fields
    ]


def compute_response_logps(
    responses: pl.DataFrame,
    model: Path,
    *,
    batch_tokens: int,
    dtype: str,
    devices: DeviceSettings = ONE_PROCESS,
    chunks: ChunkFolder | None = None,
    description: str = "log-probabilities",
    reference: Path | None = None,
) -> pl.DataFrame:
    """Sum the log-probabilities of every response's tokens, in nats.

    x is the rendered prompt with the generation prompt. y is the tokenized response and, unless
    finish_reason is `length`, the end-of-turn token: the tokens that were sampled, without tokens
    that a template may write after them. Temperature and top_p have no influence.

    Args:
        responses: prompt (messages), response, finish_reason; one row per response.
        model: folder of a causal language model.
        batch_tokens: tokens per forward pass.
        dtype: dtype of the weights.
        devices: replicas, and GPUs of each.
        chunks: folder that keeps the sums of an interrupted call with the same arguments.
        description: text of the progress bar.
        reference: folder of a second model with the same vocabulary.

    Returns:
        `logp`, and with a reference `reference_logp` and `kl`; Float64, in input order.

    Raises:
        InputError: as in `compute_logps`; there is no chat template, or it never ends a turn; or a
            row is longer than the model's context (the message gives its number).
        RuntimeError: a replica failed.
    """
    names = ["logp"] if reference is None else [*Comparison._fields]
    tokenizer = load_tokenizer(model)
    end_of_turn, context_tokens = find_end_of_turn(tokenizer, model), read_context_tokens(model)
    parts: list[pl.DataFrame] = []
    for chunk in responses.iter_slices(ROWS_AT_ONCE):
        prompts = tokenize_prompts(tokenizer, chunk["prompt"].to_list())
        completions = [
            answer if reason == "length" else [*answer, end_of_turn]
            for answer, reason in zip(
                tokenize_texts(tokenizer, chunk["response"].to_list()),
                chunk["finish_reason"],
                strict=True,
            )
        ]
        first = sum(part.height for part in parts)
        require_fit(
            [prompt + ids for prompt, ids in zip(prompts, completions, strict=True)],
            [f"of row {first + row}" for row in range(chunk.height)],
            context_tokens,
        )
        ids = {"prompt_ids": prompts, "completion_ids": completions}
        parts.append(pl.DataFrame(ids, schema=dict.fromkeys(ids, pl.List(pl.Int32))))
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.Float64))
    numbered = pl.concat(parts).with_row_index("row")
    sequences = numbered.with_columns(sequence_id=pl.col("row").cast(pl.String))
    settings = LogpsSettings(batch_tokens=batch_tokens, chunk_sequences=ROWS_AT_ONCE)
    logps = compute_missing(
        sequences,
        ["sequence_id"],
        lambda missing, commit: compute_logps(
            [missing],
            model,
            settings,
            dtype=dtype,
            commit=commit,
            devices=devices,
            description=description,
            total=missing.height,
            reference=reference,
        ),
        chunks,
    )
    found = sequences.join(logps, on="sequence_id", maintain_order="left", validate="1:1")
    return found.select(names)


def main(
    model: Annotated[Path, typer.Option(help="Checkpoint folder of the model.")],
    sequences: Annotated[
        Path, typer.Option(help="Parquet: sequence_id, prompt_ids, completion_ids.")
    ],
    output: ChunksOption,
    reference: Annotated[
        Path | None,
        typer.Option(help="Checkpoint folder of a second model: also its sums, and KL."),
    ] = None,
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
    devices: DevicesOption = ONE_PROCESS,
) -> None:
    """Sum the log-probabilities of completions into a folder of parquet files.

    After a crash, run the same command again: it computes only the missing sequences.
    """
    settings = read_settings(LogpsSettings, settings_file)
    folder = ChunkFolder(output)
    models = {"model": model.resolve(), "reference": reference and reference.resolve()}
    folder.claim({**models, "dtype": dtype, **settings.model_dump(mode="json")})
    missing = folder.select_missing(pl.read_parquet(sequences), ["sequence_id"])
    compute_logps(
        [missing],
        model,
        settings,
        dtype=dtype,
        commit=folder.write,
        devices=devices,
        description="log-probabilities",
        total=missing.height,
        reference=reference,
    )


if __name__ == "__main__":
    run_command(main)
