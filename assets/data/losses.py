"""The check that warns about sources that lose most of their rows."""

from assets.materialize import Step, Warnings
from transforms.sources.intake.losses import DROPPED_SHARE, find_losses

CHECK = "most_rows_kept"


def loss_warnings() -> Warnings:
    """Return the check of an asset whose table is filled from sources."""

    def find(step: Step) -> dict[str, str]:
        losses = find_losses(step.lake, step.asset)
        return {CHECK: "".join(f"\n- {loss}" for loss in losses)} if losses else {}

    return Warnings({CHECK: f"Every source loses less than {DROPPED_SHARE:.0%} of its rows."}, find)
