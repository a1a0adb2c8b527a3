"""The whole recipe: also its measurements, which are benchmarks and promotion."""

from typing import Self

from pydantic import model_validator

from training.recipe.experiments import RecipeExperiments
from training.settings.benchmarks import LOOP_MODELS, AnyBenchmark, JudgedSettings
from training.settings.promotion import PromotionSettings
from training.settings.rankers import find_kind
from training.settings.rewards.checks import list_parts


class Recipe(RecipeExperiments):
    """The description of one study: model, sources, training, loop, evaluation, experiments."""

    @model_validator(mode="after")
    def _require_measurements(self) -> Self:
        for name, benchmark in self.benchmarks.items():
            given = benchmark.models if "models" in benchmark.model_fields_set else ()
            if unknown := [model for model in given if model not in self.list_measured(benchmark)]:
                raise ValueError(
                    f"benchmarks.{name}.models has {unknown[0]}; the policies of this recipe are"
                    f" {', '.join([*self.baselines, *LOOP_MODELS])}"
                )
        if self.judge is None and (judged := [*self.select_judged_benchmarks()]):
            raise ValueError(f"the benchmarks {', '.join(judged)} need a judge; set `judge`")
        return self

    @model_validator(mode="after")
    def _require_measured_promotion(self) -> Self:
        self.resolve_promotion()
        return self

    def resolve_promotion(self) -> PromotionSettings | None:
        """Return the settings of promotion with their metric; None without promotion.

        Raises:
            ValueError: the recipe does not measure what they need, or optimises their metric.
        """
        return self.promotion and self.promotion.complete(
            gold=self.gold,
            judge=self.judge is not None,
            measured=self._list_deciding(self.evaluation_reward),
            has_split=self.splits.promotion_fraction > 0,
            teachers={name: self._list_teachers(name) for name in self.experiments},
            benchmarks=self.benchmarks,
        )

    def _list_teachers(self, experiment: str) -> set[str]:
        """Return what decides an experiment's pairs, and the oracle that labels its feedback."""
        loop = self.resolve_loop(experiment)
        deciding = self._list_deciding(loop.ranker)
        return deciding if loop.feedback is None else {*deciding, loop.feedback.oracle}

    def _list_deciding(self, ranker: str) -> set[str]:
        """Return what decides a ranker's rewards: kinds of rankers, and names of `rewards`."""
        kinds = {name: find_kind(name) for name in list_parts(self.resolve_rankers(), ranker)}
        return {name if kind.is_named else kind.name for name, kind in kinds.items()}

    def select_judged_benchmarks(self) -> dict[str, JudgedSettings]:
        """Return the settings of the benchmarks that the judge scores, by name."""
        return {
            name: settings
            for name, settings in self.benchmarks.items()
            if isinstance(settings, JudgedSettings)
        }

    def list_measured(self, benchmark: AnyBenchmark) -> list[str]:
        """Return the models of a benchmark that this recipe has."""
        known = (*self.baselines, *LOOP_MODELS)
        return [model for model in benchmark.models if model in known]
