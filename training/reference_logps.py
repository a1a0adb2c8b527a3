"""Log-probabilities of responses under a frozen reference, computed once, before DPO or KTO.

One pass of the reference over the sequences that are not stored yet, as a function and as `python
-m training.reference_logps`. Texts are rendered here, and training uses the token ids. A completion
includes its end of turn. The weights are those of the training that follows, and `dtype` is the
compute type (autocast), as in TRL's DPOTrainer with the reference in memory; dropout is off. Not
here: the forward passes (`training.engine.sequence_logps`), the table of stored sequences
(`transforms.lake.records.reference_logps`), training (`training.dpo`, `training.kto`).
"""

if __name__ == "__main__":  # before the imports below, which take seconds
    from training.runs.command_line.run import run_stage

    run_stage("reference_logps")

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from training.engine.sequence_logps import compute_logps
from training.models.checkpoint import require_model
from training.models.rendering import hash_rendering, load_tokenizer
from training.models.token_counts import DROPPED
from training.models.token_ids import tokenize_responses
from training.runs.drawn_examples import draw_examples
from training.runs.examples import Rows, cut
from training.settings.model import ONE_PROCESS, DeviceSettings
from training.settings.scoring import LogpsSettings
from training.settings.training import ReferenceSettings, TrainingSettings
from transforms.lake.records.reference_logps import (
    LOGPS,
    SIDES,
    add_sequence_ids,
    gather_tokens,
    join_logps,
    list_sequences,
    sort_by_length,
)


@dataclass(frozen=True)
class ReferencePass:
    """Tokenized pairs with the reference's log-probabilities, and the cost of computing them."""

    pairs: pl.DataFrame
    """The pairs given, or those that are drawn; in memory with four bytes per token id. The columns
    `transforms.lake.records.reference_logps.list_columns` replace their messages; the
    log-probabilities of a pair that does not fit are null."""
    sequences: int
    """Distinct sequences of the pairs that fit."""
    computed: int
    """Sequences that were not stored yet."""
    elapsed_s: float
    """Wall-clock seconds."""
    dropped: pl.DataFrame
    """Rows that cannot be trained on (`token_counts.DROPPED`), if only some pairs were drawn."""


def find_none(wanted: pl.DataFrame) -> pl.DataFrame:
    """Return no rows, as if no sequence was stored."""
    return pl.DataFrame(schema=LOGPS)


def add_reference_logps(
    pairs: Rows,
    start: Path,
    reference: Path,
    settings: ReferenceSettings,
    *,
    dtype: str,
    sides: Sequence[str] = SIDES,
    seed: int | None = None,
    known: Callable[[pl.DataFrame], pl.DataFrame] = find_none,
    commit: Callable[[pl.DataFrame], None] = lambda computed: None,
    devices: DeviceSettings = ONE_PROCESS,
) -> ReferencePass:
    """Tokenize pairs and add the reference's log-probabilities; compute only the unknown ones.

    Args:
        pairs: columns prompt_id, prompt, and each of `sides` (message lists); tokenized slice by
            slice.
        start: checkpoint folder that training starts from; its chat template renders the pairs.
        reference: checkpoint folder of the frozen reference.
        settings: max_tokens, and the sizes of batches and chunks.
        dtype: compute type, `float32` or `bfloat16`.
        sides: columns of the responses of a row; chosen and rejected for a pair.
        seed: seed of the training, to draw the rows that `max_steps` needs
            (`training.runs.drawn_examples`); None keeps all rows.
        known: called with sequence_id of the wanted sequences; returns the rows that are stored
            (`LOGPS`), each sequence once.
        commit: called with every chunk of computed rows (`LOGPS`).
        devices: replicas of the reference, and GPUs of each.

    Raises:
        InputError: a model is incomplete, the chat template renders a prompt in two ways, or there
            are too few GPUs.
        RuntimeError: a replica failed.
    """
    started = time.perf_counter()
    require_model(reference)
    tokenizer = load_tokenizer(start)
    rendered_by = hash_rendering(tokenizer)
    tokenized = pl.concat(
        rows.drop("prompt", *sides).with_columns(
            add_sequence_ids(tokenize_responses(tokenizer, rows, sides), sides),
            rendering_id=pl.lit(rendered_by),
        )
        for rows in cut(pairs)
    )
    dropped = pl.DataFrame(schema=DROPPED)
    if seed is not None:
        tokenized, dropped = draw_examples(tokenized, sides, settings, seed)
    wanted = list_sequences(tokenized, settings.max_tokens, sides)
    found = known(wanted)
    missing = wanted.join(found, on="sequence_id", how="anti", maintain_order="left")
    chunks = [found]

    def keep(computed: pl.DataFrame) -> None:
        commit(computed)
        chunks.append(computed)

    if missing.height:
        by_length = sort_by_length(tokenized, missing, sides)
        compute_logps(
            # one chunk at a time, so that no second copy of all token ids is in memory
            (
                gather_tokens(tokenized, chunk, sides)
                for chunk in by_length.iter_slices(settings.reference_chunk_sequences)
            ),
            reference,
            LogpsSettings(
                batch_tokens=settings.reference_batch_tokens,
                chunk_sequences=settings.reference_chunk_sequences,
                training=TrainingSettings.model_validate(
                    settings.model_dump(include=set(TrainingSettings.model_fields))
                ),
            ),
            dtype=dtype,
            commit=keep,
            devices=devices,
            description="reference",
            total=missing.height,
        )
    return ReferencePass(
        join_logps(tokenized, pl.concat(chunks), sides),
        wanted.height,
        missing.height,
        time.perf_counter() - started,
        dropped,
    )
