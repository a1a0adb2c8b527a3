"""What a recipe may not say: settings that name each other and do not fit.

Not here: a single setting's bounds, which are its field's. Raises ValueError, which pydantic turns
into an error of the recipe. Imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from training.settings.loop import LoopSettings
from training.settings.promotion import PromotionSettings
from training.settings.stages import RewardModelSettings
from transforms.benchmarks.reward_bench.pairs import resolve_bench_set
from transforms.prompts.evaluation_texts import resolve_evaluation_set
from transforms.sources.intake.mixtures import EVERYTHING

if TYPE_CHECKING:
    from training.recipe import Recipe

RESERVED = ("shared", "one_shot", "length_study", "current")
"""Names under which tables hold rows that are no experiment's of the recipe."""


def check(recipe: Recipe) -> None:
    """Refuse a recipe whose parts do not fit.

    Raises:
        ValueError: the first misfit, with what is there instead.
    """
    _check_sources(recipe)
    _check_gold(recipe)
    if recipe.judge is None and (judged := [*recipe.judged_benchmarks()]):
        raise ValueError(f"benchmarks {', '.join(judged)}: a judge scores them; set `judge`")
    if recipe.promotion is not None:
        _check_promotion(recipe, recipe.promotion)
    if recipe.loop.sampling.responses_per_prompt < 2:
        raise ValueError("loop.sampling.n is 1; a pair needs at least 2 responses")
    for experiment in recipe.experiments:
        _check_experiment(recipe, experiment)


def _check_sources(recipe: Recipe) -> None:
    """Refuse a role without a source, and a source, set or mixture that the catalogue lacks."""
    sources = recipe.resolved_sources()
    roles = {source.role for source in sources}
    for role in ("demonstrations", "preferences", "prompts"):
        if role not in roles:
            raise ValueError(f"no source has the role {role}")
    _check_mixtures(recipe, {source.name for source in sources if source.role == "preferences"})
    for name, origin in recipe.evaluation_sets.items():
        resolve_evaluation_set(name, origin)
    for name, origin in recipe.reward_bench.items():
        resolve_bench_set(name, origin)


def _check_mixtures(recipe: Recipe, preferences: set[str]) -> None:
    """Refuse a mixture of what is no source of preferences, and one that is not there."""
    if EVERYTHING in recipe.mixtures:
        raise ValueError(f"mixture {EVERYTHING} is every source; choose another name")
    for name, parts in recipe.mixtures.items():
        if unknown := sorted(set(parts) - preferences):
            raise ValueError(
                f"mixture {name} names {', '.join(unknown)}; the sources of preferences are "
                f"{', '.join(sorted(preferences))}"
            )
    used = {f"{name}.mixture": model.mixture for name, model in recipe.trained_rankers().items()}
    for key, name in {**used, "offline_mixture": recipe.offline_mixture}.items():
        if name != EVERYTHING and name not in recipe.mixtures:
            known = ", ".join([EVERYTHING, *recipe.mixtures])
            raise ValueError(f"{key} is {name!r}; the mixtures are {known}")


def _check_gold(recipe: Recipe) -> None:
    """Refuse what needs the sample task without it."""
    uses_task = recipe.gold or any(source.sample_task for source in recipe.sources.values())
    if uses_task and recipe.sample_task is None:
        raise ValueError("a source or `gold` uses the sample task, but `sample_task` is not set")
    if recipe.evaluation.selection_metric == "gold_reward" and not recipe.gold:
        raise ValueError("selection_metric is gold_reward, but `gold` is false")


def _check_promotion(recipe: Recipe, promotion: PromotionSettings) -> None:
    """Refuse a promotion by something that the recipe does not measure."""
    if promotion.metric in ("gold_reward", "win_rate_gold") and not recipe.gold:
        raise ValueError(f"promotion.metric is {promotion.metric}, but `gold` is false")
    if promotion.metric == "win_rate_judge" and recipe.judge is None:
        raise ValueError("promotion.metric is win_rate_judge, but there is no `judge`")
    if unknown := sorted(set(promotion.max_fall) - set(recipe.benchmarks)):
        raise ValueError(
            f"promotion.max_fall names {', '.join(unknown)}; the recipe's benchmarks are "
            f"{', '.join(recipe.benchmarks) or 'none'}"
        )


def _check_experiment(recipe: Recipe, experiment: str) -> None:
    """Refuse an experiment's name, and overrides that the recipe's other parts do not allow."""
    if not experiment.replace("_", "").isalnum() or experiment in RESERVED:
        raise ValueError(
            f"experiment name {experiment!r} is not allowed; use letters, digits and _"
        )
    if "iterations" in recipe.experiments[experiment]:
        raise ValueError(f"experiment {experiment} overrides iterations, which draws the graph")
    loop = recipe.loop_of(experiment)
    if loop.sampling.responses_per_prompt < 2:
        raise ValueError(
            f"experiment {experiment}: sampling.n is 1; a pair needs at least 2 responses"
        )
    if loop.ranker == "judge" and loop.ranking.method != "round_robin":
        raise ValueError(
            f"experiment {experiment}: a judge ranks by ranking.method round_robin only"
        )
    if loop.ranker not in recipe.rankers():
        raise ValueError(
            f"experiment {experiment} ranks by {loop.ranker!r}; the rankers are "
            f"{', '.join(recipe.rankers())}"
        )
    if loop.feedback is not None:
        _check_feedback(recipe, experiment, loop)


def _check_feedback(recipe: Recipe, experiment: str, loop: LoopSettings) -> None:
    """Refuse feedback without its oracle, or of a ranker that is no reward model."""
    there = {"gold": recipe.gold, "judge": recipe.judge is not None, "people": True}
    if not there[loop.feedback.oracle]:
        raise ValueError(
            f"experiment {experiment}: feedback.oracle is {loop.feedback.oracle}, which the "
            f"recipe does not have: set `{loop.feedback.oracle}`"
        )
    if not isinstance(recipe.trained_rankers().get(loop.ranker), RewardModelSettings):
        raise ValueError(
            f"experiment {experiment}: feedback refreshes a reward model, and ranker is "
            f"{loop.ranker!r}"
        )
    recipe.refresh_of(loop)
