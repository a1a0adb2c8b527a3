"""Reference passes of `bench/one_pass.py`: TRL's precomputation, and the stage with its commits."""

import shutil
import time
from typing import Any

import polars as pl
import torch
from sides.case import SETTINGS, Case
from sides.trainings import build_trl_dpo

from training.reference_logps import ReferencePass, add_reference_logps
from transforms.lake.lake import Lake
from transforms.lake.records.reference_logps import ReferenceLogps


def precompute_by_trl(case: Case) -> dict[str, Any]:
    """Compute the log-probabilities of all pairs but the first batch, which warms up."""
    trainer = build_trl_dpo(
        case,
        {"output_dir": str(case.folder / "precomputed"), "bf16": case.dtype == "bfloat16",
         "report_to": "none", "use_cpu": not torch.cuda.is_available(), "max_length": None,
         "remove_unused_columns": False, "dataloader_pin_memory": False},
    )  # fmt: skip
    size, pairs = case.micro_batch_size, len(trainer.train_dataset)
    trainer._precompute_ref_logps(trainer.train_dataset.select(range(size)), "warm-up", size)
    started = time.perf_counter(), time.process_time()
    rows = trainer._precompute_ref_logps(
        trainer.train_dataset.select(range(size, pairs)), "train", size
    )
    return {
        "s": time.perf_counter() - started[0],
        "cpu_s": time.process_time() - started[1],
        "values": [
            logp for row in rows for logp in (row["ref_chosen_logps"], row["ref_rejected_logps"])
        ],
    }


def fill_store(case: Case) -> dict[str, Any]:
    """Compute the log-probabilities of all pairs but the first batch into a new Delta table.

    Loading the reference, tokenizing and commits count. The first batch, which is computed before,
    does not. The pairs with both are written to `reference.parquet`.
    """
    pairs = pl.read_parquet(case.folder / "pairs.parquet").select(
        "prompt_id", "prompt", "chosen", "rejected"
    )
    shutil.rmtree(case.folder / "lake", ignore_errors=True)
    store = ReferenceLogps(Lake(case.folder / "lake"), "reference", case.dtype)
    parts = []
    for rows in (pairs[: case.micro_batch_size], pairs[case.micro_batch_size :]):
        started = time.perf_counter(), time.process_time()
        parts.append(_complete(rows, case, store))
        found = {
            "s": time.perf_counter() - started[0],
            "cpu_s": time.process_time() - started[1],
        }
    assert parts[1].computed == parts[1].sequences
    pl.concat(part.pairs for part in parts).write_parquet(case.folder / "reference.parquet")
    logps = parts[1].pairs.select("ref_chosen_logps", "ref_rejected_logps").rows()
    return found | {"values": [logp for pair in logps for logp in pair]}


def _complete(rows: pl.DataFrame, case: Case, store: ReferenceLogps) -> ReferencePass:
    with store.append_chunks() as append:
        return add_reference_logps(
            rows, case.model, case.model, SETTINGS, dtype=case.dtype,
            known=store.read_known, commit=append,
        )  # fmt: skip
