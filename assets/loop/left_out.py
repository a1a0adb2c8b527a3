"""The check that warns if a training leaves out many of its examples.

Not here: its text and its bound (`transforms.sources.intake.losses`), the training
(`assets.loop.train`).
"""

from assets.materialize import Step, Warnings
from transforms.sources.intake.ledger import read_dropped_examples
from transforms.sources.intake.losses import LEFT_OUT_SHARE, find_left_out

CHECK = "most_examples_kept"


def example_warnings() -> Warnings:
    """Return the check of an asset that `assets.loop.train.train` makes."""

    def find(step: Step) -> dict[str, str]:
        from training.runs.run_record import read_run  # it imports torch

        dropped = read_dropped_examples(step.lake, asset=step.asset, experiment=step.experiment)
        fitting = read_run(step.model(step.asset).path).fitting
        left_out = find_left_out(dropped, fitting)
        return {CHECK: left_out} if left_out else {}

    passes = f"Passes when a training leaves out less than {LEFT_OUT_SHARE:.0%} of its examples."
    return Warnings({CHECK: passes}, find)
