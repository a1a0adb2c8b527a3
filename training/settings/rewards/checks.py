"""Checks of a recipe's rewards against each other: names, parts of sums, files of functions.

Not here: bounds of single settings (`training.settings.rewards.reward`).
"""

from collections.abc import Collection, Mapping, Sequence

from training.settings.rankers import find_kind
from training.settings.rewards.ensemble import EnsembleSettings
from training.settings.rewards.reward import RewardSettings
from transforms.lake.asset_names import BASELINES
from transforms.lake.schemas import schema_of
from transforms.settings.frozen import Settings


def require_rewards(rewards: Mapping[str, RewardSettings], *, trained: Collection[str]) -> None:
    """Refuse rewards that cannot be computed.

    Args:
        rewards: the recipe's rewards by name.
        trained: names of the rankers that the recipe trains.

    Raises:
        ValueError: a name is that of another ranker or model; or a sum has a part that the recipe
            does not have, or that is no reward of a single response, or is a sum itself.
        InputError: the file of a function is missing, or does not define it.
    """
    parts = [
        *(name for name in trained if find_kind(name).scores_alone),
        *(name for name, reward in rewards.items() if not reward.sum),
    ]
    for name, reward in rewards.items():
        if find_kind(name).name != "rewards" or name in BASELINES:
            raise ValueError(f"rewards.{name}: another model or ranker has this name")
        if unknown := [part for part in reward.sum if part not in parts]:
            raise ValueError(
                f"rewards.{name}.sum has the part {unknown[0]!r}; the rewards that can be part of a"
                f" sum are {', '.join(parts)}"
            )
        if reward.function:
            reward.read_function()


def list_parts(rankers: Mapping[str, Settings], ranker: str) -> list[str]:
    """Return the names of the rankers that decide a ranker's rewards.

    They are the parts of a sum, the members of an ensemble, or the ranker itself.

    Args:
        rankers: settings of the recipe's rankers by name.
        ranker: name of one.
    """
    found = rankers.get(ranker)
    parts = found.parts if isinstance(found, RewardSettings | EnsembleSettings) else []
    return parts or [ranker]


def find_refreshed(rankers: Mapping[str, Settings], ranker: str) -> str:
    """Return the part of a ranker that feedback trains further: its one reward model.

    Args:
        rankers: settings of the recipe's rankers by name.
        ranker: value of `loop.ranker`.

    Raises:
        ValueError: the ranker has no reward model, or several.
    """
    models = []
    for name in list_parts(rankers, ranker):
        settings = rankers.get(name)
        is_given = isinstance(settings, RewardSettings) and settings.way == "path"
        if find_kind(name).is_reward_model or is_given:
            models.append(name)
    if len(models) == 1:
        return models[0]
    if models:
        raise ValueError(
            f"feedback trains one reward model further, and the ranker {ranker} has several:"
            f" {', '.join(models)}"
        )
    if find_kind(ranker).scores_alone:
        raise ValueError(
            f"feedback trains the weights of a reward model further, and {ranker} has none: a"
            " function and a verifier have no weights; rank by a reward model, or by a sum with one"
        )
    raise ValueError(
        f"feedback trains a reward model further, which gives each response a reward, and the"
        f" ranker {ranker} compares responses instead"
    )


def require_evaluation_rewards(
    names: Sequence[str],
    rewards: Mapping[str, RewardSettings],
    *,
    trained: Collection[str],
    has_references: bool,
) -> None:
    """Refuse further rewards of the evaluation that the recipe does not have or cannot compute.

    Args:
        names: value of `evaluation.rewards`.
        rewards: the recipe's rewards by name.
        trained: names of the rankers that the recipe trains.
        has_references: whether any prompts have a reference.

    Raises:
        ValueError: a name is that of no reward of a single response, is there twice or is a column
            of the responses; or it is a verifier, and no prompt has a reference.
    """
    allowed = [
        *(name for name in trained if find_kind(name).scores_alone),
        *(name for name, reward in rewards.items() if not reward.sum),
    ]
    for name in names:
        if name not in allowed:
            raise ValueError(
                f"evaluation.rewards has {name!r}; the rewards that can measure a response are"
                f" {', '.join(allowed) or 'none'} (a sum cannot; name its parts)"
            )
        if names.count(name) > 1 or name in schema_of("evaluation_responses"):
            raise ValueError(
                f"evaluation.rewards has {name!r} twice, or it is the name of a column"
            )
        if name in rewards and rewards[name].verifier and not has_references:
            raise ValueError(
                f"evaluation.rewards has the verifier {name}, and no source of prompts has"
                " `reference` or `instructions`"
            )
