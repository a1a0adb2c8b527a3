"""Checks that warn if most rows of a source, or most prompts, are dropped."""

from assets.materialize import Step, Warnings
from transforms.sources.intake.losses import DROPPED_SHARE, find_long_prompts, find_losses

CHECK = "most_rows_kept"
LENGTH_CHECK = "most_prompts_fit"


def loss_warnings() -> Warnings:
    """Return the check of an asset whose table is filled from sources."""

    def find(step: Step) -> dict[str, str]:
        losses = find_losses(step.lake, step.asset)
        return {CHECK: "".join(f"\n- {loss}" for loss in losses)} if losses else {}

    passes = f"Passes when every source loses less than {DROPPED_SHARE:.0%} of its rows."
    return Warnings({CHECK: passes}, find)


def length_warnings() -> Warnings:
    """Return the check that the prompts fit into the models' context."""

    def find(step: Step) -> dict[str, str]:
        lost = find_long_prompts(step.lake)
        return {LENGTH_CHECK: lost} if lost else {}

    passes = f"Passes when less than {DROPPED_SHARE:.0%} of prompts are too long."
    return Warnings({LENGTH_CHECK: passes}, find)
