"""A study: a recipe, its experiments as Dagster partitions, and one seed per asset.

Not here: the keys of a recipe (`training.recipe`).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg

from training.recipe import Recipe
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings
from transforms.identity import derive_seed
from transforms.lake.asset_names import iteration_asset
from transforms.lake.schemas.table import SHARED


@dataclass(frozen=True)
class Study:
    """The argument of every function that builds assets."""

    recipe: Recipe

    @cached_property
    def experiments(self) -> dg.StaticPartitionsDefinition:
        """Return the partitions: one per experiment."""
        return dg.StaticPartitionsDefinition(list(self.recipe.experiments))

    @property
    def iterations(self) -> range:
        """Return the iterations 1 ... T."""
        return range(1, self.recipe.loop.iterations + 1)

    @property
    def policies(self) -> dict[str, int]:
        """Return the iteration of every policy of the loop, by asset, in the order of the loop."""
        return {iteration_asset(t, "policy"): t for t in self.iterations}

    @property
    def initial_policy(self) -> str:
        """Return the asset of π₀."""
        return self.recipe.initial_policy

    @property
    def judge(self) -> JudgeSettings:
        """Return the judge of a recipe that uses one; a recipe without it is refused earlier."""
        judge = self.recipe.resolve_judge()
        if judge is None:
            raise ValueError(f"the recipe {self.recipe.name} has no judge")
        return judge

    def loop(self, experiment: str) -> LoopSettings:
        """Return the loop settings of an experiment; for `shared`, those of the recipe itself."""
        return self.recipe.loop if experiment == SHARED else self.recipe.resolve_loop(experiment)

    def seed(self, asset: str) -> int:
        """Return the seed of an asset. All experiments share it and differ by settings alone."""
        return derive_seed(self.recipe.seed, asset)

    @property
    def model_settings(self) -> dict[str, Any]:
        """Return the settings that every stage with a model depends on, besides its own."""
        return {"dtype": self.recipe.model.dtype, "seed": self.recipe.seed}
