"""Hooks of the dress rehearsal in the processes of a training: which rows they read, and a fault.

Python imports this module at the start of every process whose PYTHONPATH has its folder. Only the
processes that `accelerate launch` starts have a rank.

The fault, which the rehearsal must find, is bfloat16 outputs of sharded models. These were the
types that accelerate 1.15 chose by itself under FSDP2.
"""

import os

BATCHES = "REHEARSAL_BATCHES"
"""Environment variable: the folder for the rows that each process reads."""
FAULT = "REHEARSAL_FAULT"
"""Environment variable: if it is set, outputs of sharded models are bfloat16."""


def break_policy() -> None:
    """Replace torch's mixed-precision policy by one that ignores its arguments."""
    import torch
    from torch.distributed import fsdp

    class BfloatPolicy(fsdp.MixedPrecisionPolicy):
        """Set bfloat16 for weights in use, sums of gradients, and outputs."""

        def __init__(self, **_: object) -> None:
            names = ("param_dtype", "reduce_dtype", "output_dtype")
            super().__init__(**dict.fromkeys(names, torch.bfloat16))

    fsdp.MixedPrecisionPolicy = BfloatPolicy


def record_batches(folder: str, rank: str) -> None:
    """Let every training write its rows' hashes: of all, and of each micro-batch, by step."""
    import hashlib
    import json
    from pathlib import Path

    from transformers import Trainer

    train_step = Trainer.training_step
    examples: dict[str, str] = {}

    def digest(value: object) -> str:
        return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()

    def training_step(self, model, inputs, *others):
        name = Path(self.args.output_dir).name
        if name not in examples:
            examples[name] = digest(self.train_dataset.to_dict())
        ids = next(key for key in inputs if key.endswith("input_ids"))
        masks = inputs.get(ids.replace("input_ids", "attention_mask"))
        rows = (
            inputs[ids]
            if masks is None
            else (row[mask.bool()] for row, mask in zip(inputs[ids], masks, strict=True))
        )
        tokens = [row.tolist() for row in rows]
        # two pairs may share a side: the sides of a pair, first all chosen ones, are one example
        sides = 1 + any("rejected" in column for column in self.train_dataset.column_names)
        count = max(len(tokens) // sides, 1)
        line = {
            "training": name,
            "rank": int(rank),
            "step": self.state.global_step,
            "examples": examples[name],
            "rows": [digest(tokens[one::count]) for one in range(count)],
        }
        with (Path(folder) / f"{rank}.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return train_step(self, model, inputs, *others)

    Trainer.training_step = training_step


if "RANK" in os.environ:
    if os.environ.get(FAULT):
        break_policy()
    if BATCHES in os.environ:
        record_batches(os.environ[BATCHES], os.environ["RANK"])
