"""The registry of rankers: one class per kind, and the selection of a ranker by its name."""

from collections.abc import Mapping

from assets.loop.chain import Chain
from assets.loop.ranking.callable_reward import FunctionRanker, VerifierRanker
from assets.loop.ranking.judge import JudgeRanker
from assets.loop.ranking.preference_model import PreferenceModelRanker
from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.reward_model import GivenModelRanker, RewardModelRanker
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.loop.ranking.weighted_sum import SumRanker
from assets.study import Study
from training.settings.loop import LoopSettings
from training.settings.rankers import find_kind
from training.settings.rewards.reward import RewardSettings, Way

RANKERS: Mapping[str, type[Ranker]] = {
    ranker.kind: ranker for ranker in (RewardModelRanker, PreferenceModelRanker, JudgeRanker)
}
"""One class per kind of ranker; those of the kind `rewards` are `REWARDS`."""

REWARDS: Mapping[Way, type[Ranker]] = {
    "path": GivenModelRanker,
    "function": FunctionRanker,
    "verifier": VerifierRanker,
    "sum": SumRanker,
}
"""One class per key of a reward."""


def select_ranker(study: Study, chain: Chain, loop: LoopSettings) -> Ranker:
    """Return the ranker of a chain's responses."""
    return find_ranker(study, loop, chain.ranker(loop))


def find_ranker(study: Study, loop: LoopSettings, name: str) -> Ranker:
    """Return a ranker of the recipe, or a reward model that an iteration of a loop refreshed.

    Args:
        study: the study.
        loop: settings of the experiment, for a refreshed reward model.
        name: value of `loop.ranker`, or the asset of a refreshed reward model.
    """
    refreshed = "/" in name
    settings = (
        study.recipe.resolve_refresh(loop) if refreshed else study.recipe.resolve_rankers()[name]
    )
    if isinstance(settings, RewardSettings):
        return _build_reward(study, loop, name, settings)
    return RANKERS[find_kind(loop.ranker if refreshed else name).name](study, name, settings)


def find_evaluation_ranker(study: Study) -> Ranker:
    """Return the ranker whose rewards compare the policies on held-out prompts."""
    return find_ranker(study, study.recipe.loop, study.recipe.evaluation_reward)


def find_trained_ranker(study: Study, loop: LoopSettings, name: str) -> TrainedRanker:
    """Return a ranker as `find_ranker` does, if it is a model that the study trains."""
    ranker = find_ranker(study, loop, name)
    if not isinstance(ranker, TrainedRanker):
        raise TypeError(f"{name} is not a trained ranker")
    return ranker


def _build_reward(study: Study, loop: LoopSettings, name: str, settings: RewardSettings) -> Ranker:
    if settings.sum:
        parts = {part: find_ranker(study, loop, part) for part in settings.sum}
        return SumRanker(study, name, settings, parts)
    return REWARDS[settings.way](study, name, settings)
