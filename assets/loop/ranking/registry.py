"""The registry of rankers: one class per kind, and the selection of a ranker by its name."""

from collections.abc import Mapping

from assets.loop.chain import Chain
from assets.loop.ranking.callable_reward import FunctionRanker, VerifierRanker
from assets.loop.ranking.ensemble import EnsembleRanker
from assets.loop.ranking.judge import JudgeRanker
from assets.loop.ranking.preference_model import PreferenceModelRanker
from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.reward_model import GivenModelRanker, RewardModelRanker
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.loop.ranking.weighted_sum import SumRanker
from assets.study import Study
from training.settings.loop import LoopSettings
from training.settings.rankers import find_kind
from training.settings.rewards.checks import list_parts
from training.settings.rewards.reward import RewardSettings, Way

RANKERS: Mapping[str, type[Ranker]] = {
    ranker.kind: ranker
    for ranker in (RewardModelRanker, EnsembleRanker, PreferenceModelRanker, JudgeRanker)
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
    """Return the ranker of a chain's responses; with feedback, its reward model is refreshed."""
    return find_ranker(study, loop, loop.ranker, chain.refreshed(loop))


def find_ranker(
    study: Study, loop: LoopSettings, name: str, refreshed: str | None = None
) -> Ranker:
    """Return a ranker of the recipe.

    Args:
        study: the study.
        loop: settings of the experiment.
        name: value of `loop.ranker`.
        refreshed: asset of a model that feedback has trained further from the experiment's reward
            model; it takes that one's place.
    """
    if refreshed is not None and name == study.recipe.find_refreshed(loop):
        return find_refreshed_ranker(study, loop, refreshed)
    rankers = study.recipe.resolve_rankers()
    settings = rankers[name]
    if isinstance(settings, RewardSettings):
        ranker = REWARDS[settings.way]
    else:
        ranker = RANKERS[find_kind(name).name]
    if not issubclass(ranker, SumRanker):
        return ranker(study, name, settings)
    parts = {part: find_ranker(study, loop, part, refreshed) for part in list_parts(rankers, name)}
    return ranker(study, name, settings, parts)


def find_refreshed_ranker(study: Study, loop: LoopSettings, asset: str) -> RewardModelRanker:
    """Return a reward model that an iteration of an experiment has refreshed, by its asset."""
    return RewardModelRanker(study, asset, study.recipe.resolve_refresh(loop))


def find_evaluation_ranker(study: Study) -> Ranker:
    """Return the ranker whose rewards compare the policies on held-out prompts."""
    return find_ranker(study, study.recipe.loop, study.recipe.evaluation_reward)


def find_trained_ranker(study: Study, loop: LoopSettings, name: str) -> TrainedRanker:
    """Return a ranker as `find_ranker` does, if it is a model that the study trains."""
    ranker = find_ranker(study, loop, name)
    if not isinstance(ranker, TrainedRanker):
        raise TypeError(f"{name} is not a trained ranker")
    return ranker
