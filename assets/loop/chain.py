"""A chain of assets that sample, score, pair and train: an iteration of the loop, or a baseline.

Not here: the assets of a chain (`assets.loop.tables`, `assets.loop.iterations`).
"""

from dataclasses import dataclass
from typing import TypedDict

from assets.materialize import Step
from training.settings.loop import LoopSettings


class SliceKeys(TypedDict):
    """The columns that identify a chain's rows in the tables of the loop."""

    experiment: str
    iteration: int


@dataclass(frozen=True)
class Chain:
    """An iteration of the loop, the one-shot baseline, or the length study."""

    group: str
    """Group of its assets in the lineage graph, and the first part of their names."""
    iteration: int
    """Iteration of its rows; 0 outside the loop."""
    splits: tuple[str, ...]
    """Splits whose prompts are sampled."""
    sampled_policy: str
    """Asset of the policy that is sampled."""
    initial_policy: str
    """Asset of π₀."""
    partitioned: bool
    """Whether every experiment has its own chain."""

    def asset(self, noun: str) -> str:
        """Return the name of one of the chain's assets."""
        return f"{self.group}/{noun}"

    def slice(self, step: Step) -> SliceKeys:
        """Return the keys of the chain's rows in the tables of the loop.

        A chain that all experiments share has its own name as the experiment.
        """
        experiment = step.experiment if self.partitioned else self.group
        return {"experiment": experiment, "iteration": self.iteration}

    def resolve(self, loop: LoopSettings) -> LoopSettings:
        """Return the loop settings of its iteration, with its own objective."""
        return loop.at_iteration(self.iteration if self.partitioned else 0)

    def refreshed(self, loop: LoopSettings) -> str | None:
        """Return the asset of the iteration's own reward model; None without feedback."""
        return self.asset("reward_model") if self.partitioned and loop.feedback else None
