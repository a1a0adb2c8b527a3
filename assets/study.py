"""A study as Dagster sees it: a recipe, its experiments as partitions, one seed for each use.

Not here: what a recipe may say (`training.recipe`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from training.recipe import Recipe
from training.settings.loop import LoopSettings
from transforms.identity import derive_seed
from transforms.lake.schemas.columns import SHARED


@dataclass(frozen=True)
class Study:
    """What every asset factory is given."""

    recipe: Recipe

    @cached_property
    def experiments(self) -> dg.StaticPartitionsDefinition:
        """One partition per experiment."""
        return dg.StaticPartitionsDefinition(list(self.recipe.experiments))

    @property
    def iterations(self) -> range:
        """Iterations 1 ... T."""
        return range(1, self.recipe.loop.iterations + 1)

    def loop(self, experiment: str) -> LoopSettings:
        """Loop settings of an experiment; those of the recipe itself for what all share."""
        return self.recipe.loop if experiment == SHARED else self.recipe.loop_of(experiment)

    def seed(self, asset: str) -> int:
        """Seed of an asset. Experiments share it, so that they differ by their settings alone."""
        return derive_seed(self.recipe.seed, asset)

    @property
    def model_settings(self) -> dict[str, Any]:
        """What every stage that loads a model depends on besides its own settings."""
        return {"dtype": self.recipe.model.dtype, "seed": self.recipe.seed}
