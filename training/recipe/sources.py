"""Sources of a recipe: their roles and mixtures, and the policies that their data allow."""

from typing import Self

from pydantic import model_validator

from training.recipe.keys import RecipeKeys
from transforms.benchmarks.reward_bench.pairs import resolve_bench_set
from transforms.lake.asset_names import BASELINES, INITIAL_POLICIES, OFFLINE
from transforms.lake.schemas.preferences import RAW
from transforms.lake.schemas.records import COMPUTED
from transforms.prompts.evaluation_texts import resolve_evaluation_set
from transforms.settings.sources import MixtureSource, Role
from transforms.sources.intake.mixtures import EVERYTHING
from transforms.sources.intake.sources import Source, resolve


class RecipeSources(RecipeKeys):
    """A recipe whose sources exist and fit its keys."""

    @model_validator(mode="after")
    def _require_known_sources(self) -> Self:
        if taken := [name for name in self.sources if f"{RAW}{name}" in COMPUTED]:
            raise ValueError(f"the table {RAW}{taken[0]} of source {taken[0]} is another one")
        roles = {role for source in self.resolve_sources() for role in source.roles}
        if "prompts" not in roles:
            raise ValueError("no source has the role prompts")
        if unknown := sorted(set(self.plan.rows) - set(self.sources)):
            raise ValueError(f"plan.rows names no source of this recipe: {', '.join(unknown)}")
        for name, origin in self.evaluation_sets.items():
            resolve_evaluation_set(name, origin)
        for name, origin in self.reward_bench.items():
            resolve_bench_set(name, origin)
        return self

    @model_validator(mode="after")
    def _require_sample_task(self) -> Self:
        uses_task = self.gold or any(source.sample_task for source in self.sources.values())
        if uses_task and self.sample_task is None:
            raise ValueError(
                "a source or `gold` uses the sample task, but `sample_task` is not set"
            )
        if self.evaluation.selection_metric == "gold_reward" and not self.gold:
            raise ValueError("selection_metric is gold_reward, but `gold` is false")
        return self

    def resolve_sources(self, role: Role | None = None) -> list[Source]:
        """Resolve the sources with their catalogue entries, all or those with a role.

        Raises:
            ValueError: the catalogue does not have an entry, a role or an option of a source.
        """
        found = [resolve(name, settings) for name, settings in self.sources.items()]
        return [source for source in found if role is None or role in source.roles]

    def resolve_mixture(self, name: str) -> dict[str, MixtureSource]:
        """Return the parts of a mixture by source."""
        if name == EVERYTHING:
            return {s.name: MixtureSource() for s in self.resolve_sources("preferences")}
        return self.mixtures[name]

    @property
    def has_pairs(self) -> bool:
        """Whether the recipe has preference pairs of its sources."""
        return bool(self.resolve_sources("preferences"))

    @property
    def initial_policy(self) -> str:
        """The asset that is π₀."""
        return INITIAL_POLICIES[self.sft is None]

    @property
    def baselines(self) -> list[str]:
        """The policies that every experiment is compared with: those whose data the recipe has."""
        absent = {INITIAL_POLICIES[self.sft is not None], *([] if self.has_pairs else [OFFLINE])}
        return [asset for asset in BASELINES if asset not in absent]
