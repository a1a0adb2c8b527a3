"""The registry of rankers: one class per kind, and the selection of a ranker by its name."""

from collections.abc import Mapping

from assets.loop.chain import Chain
from assets.loop.ranking.judge import JudgeRanker
from assets.loop.ranking.preference_model import PreferenceModelRanker
from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.reward_model import RewardModelRanker
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.study import Study
from training.settings.loop import LoopSettings
from training.settings.rankers import find_kind

RANKERS: Mapping[str, type[Ranker]] = {
    ranker.kind: ranker for ranker in (RewardModelRanker, PreferenceModelRanker, JudgeRanker)
}
"""One class per kind of ranker."""


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
    return RANKERS[find_kind(loop.ranker if refreshed else name).name](study, name, settings)


def find_trained_ranker(study: Study, loop: LoopSettings, name: str) -> TrainedRanker:
    """Return a ranker as `find_ranker` does, if it is a model that the study trains."""
    ranker = find_ranker(study, loop, name)
    if not isinstance(ranker, TrainedRanker):
        raise TypeError(f"{name} is not a trained ranker")
    return ranker
