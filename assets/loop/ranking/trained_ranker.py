"""Rankers that the study trains: their checkpoint, and their accuracy on validation pairs.

Not here: training (`assets.loop.models`, `assets.loop.feedback`), the two kinds
(`assets.loop.ranking.reward_model`, `assets.loop.ranking.preference_model`).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from assets.loop.ranking.ranker import Ranker
from assets.materialize import Step, Warnings
from assets.metadata import table_preview
from training.settings.stages import TrainedRankerSettings
from transforms.lake.records.checkpoints import Checkpoint
from transforms.measures import reward_accuracy
from transforms.prompts import rows_by_split
from transforms.sources.intake.ledger import write_dropped_examples


def accuracy_warnings(model: str) -> Warnings:
    """Return the checks that warn about the accuracy that `TrainedRanker.validate` has written.

    Args:
        model: name of the model, which is also its asset.
    """

    def find(step: Step) -> Mapping[str, str]:
        results = step.lake.read(
            "evaluation_results",
            experiment=step.experiment,
            model=model,
            split="reward_validation",
        )
        return reward_accuracy.find_warnings(results)

    return Warnings(reward_accuracy.WARNINGS, find)


class TrainedRanker(Ranker):
    """A ranker with weights. Its kind is also the name of the stage that trains it."""

    training: ClassVar[str]
    """Description of its training, for the asset's page."""
    unranked_pairs: ClassVar[str] = "Pairs longer than the model was trained to read"
    settings: TrainedRankerSettings

    @property
    def assets(self) -> list[str]:
        """Return the model's asset."""
        return [self.name]

    @property
    def mixture(self) -> str:
        """Return the mixture of its training pairs."""
        return self.settings.mixture

    def describe_parts(self) -> Mapping[str, Mapping[str, Any]]:
        """Return its asset."""
        return {self.name: {"weight": 1.0, "asset": self.name}}

    def checkpoint(self, step: Step) -> Checkpoint:
        """Return the model's checkpoint.

        Raises:
            InputError: it is missing.
        """
        return step.model(self.name)

    def ranker_id(self, step: Step) -> str:
        """Return the id of its checkpoint."""
        return self.checkpoint(step).checkpoint_id

    def pair_settings(self) -> Mapping[str, Any]:
        """Return its length limit, its mixture and its dtype."""
        return {
            "max_tokens": self.settings.max_tokens,
            "mixture": self.settings.mixture,
            "dtype": self.study.recipe.model.dtype,
        }

    def validate(self, step: Step, iteration: int = 0) -> dict[str, Any]:
        """Measure its accuracy on the validation pairs, and that of length alone.

        Args:
            step: the step of the asset that has just trained it.
            iteration: iteration of the refresh; 0 outside the loop.

        Returns:
            Metadata for the asset's page; the results are written to `evaluation_results`.
        """
        lake, slice_ = step.lake, {"experiment": step.experiment}
        held = rows_by_split.read_reward_validation_pairs(lake)
        rewards, too_long = self.pair_rewards(step, held)
        write_dropped_examples(lake, too_long, asset=f"{step.asset}/validation", **slice_)
        results = reward_accuracy.measure_reward_model(
            held,
            rewards,
            model=self.name,
            policy_id=self.ranker_id(step),
            iteration=iteration,
            **slice_,
        )
        lake.overwrite("evaluation_results", results, model=self.name, **slice_)
        step.log.info(f"{step.asset}: {reward_accuracy.describe_accuracy(results)}")
        figures = dict(results.select("metric", "value").iter_rows())
        return {**figures, "validation": table_preview(results)}
