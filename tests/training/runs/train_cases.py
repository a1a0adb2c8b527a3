"""Train a list of cases in this process: `accelerate launch ... train_cases.py FOLDER CASES`.

A case: name, stage, rows (file), dtype, start (folder), settings, and `killed_at`, a step at which
every process stops. FOLDER/NAME.json is then what was seen of the model that was trained.
"""

import json
import sys
from pathlib import Path

import polars as pl
import torch
from accelerate import PartialState
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from training.runs import trainer as training
from training.runs.precision import OutputCheck
from training.stages import STAGES


class Observed(OutputCheck):
    """The check of every training, which also stops one and describes its model."""

    killed_at = None
    facts = None

    def on_train_begin(self, args, state, control, **kwargs):
        super().on_train_begin(args, state, control, **kwargs)
        weights = list(self._trainer.model.parameters())
        local = [one.to_local() if isinstance(one, DTensor) else one for one in weights]
        Observed.facts = {
            "sharded": isinstance(self._trainer.model, FSDPModule),
            "share_of_weights": sum(map(torch.numel, local)) / sum(map(torch.numel, weights)),
            "first_step": state.global_step + 1,
        }

    def on_substep_end(self, args, state, control, **kwargs):
        """After a micro-batch: gradients that are not yet divided are not in `grad`."""
        gradients = [weight.grad for weight in self._trainer.model.parameters()]
        Observed.facts["divided_gradients"] = all(isinstance(one, DTensor) for one in gradients)

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.killed_at:
            raise KeyboardInterrupt


def train_case(folder, case):
    stage = STAGES[case["stage"]]
    models = {stage.start: folder / case["start"]} | {name: folder / name for name in stage.models}
    Observed.killed_at, output = case.get("killed_at"), folder / case["name"]
    settings = case["settings"]
    if stage.name == "rloo":
        settings |= {"rewards": {"given": {"reward": {"path": str(folder / "reward_model")}}}}
    try:
        stage.load()(
            pl.read_parquet(folder / case["rows"]),
            output=output,
            settings=stage.settings.model_validate(settings),
            seed=0,
            dtype=case["dtype"],
            **models,
        )
    except KeyboardInterrupt:
        if PartialState().is_main_process:
            steps = sorted(output.with_name(f".{output.name}.steps").glob("checkpoint-*"))
            files = {
                file.relative_to(steps[-1]).name: file.stat().st_size
                for file in steps[-1].rglob("*")
            }
            output.with_suffix(".steps.json").write_text(json.dumps(files))
        return
    if PartialState().is_main_process:
        output.with_suffix(".json").write_text(json.dumps(Observed.facts))


if __name__ == "__main__":
    torch.set_num_threads(1)
    training.OutputCheck = Observed
    for one in json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")):
        train_case(Path(sys.argv[1]), one)
