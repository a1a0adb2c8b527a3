"""Parts of a reward as recorded settings, and back: what a training that computes rewards has read.

Imports no torch. Not here: computing the rewards (`training.rewards.scorers`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.models.checkpoint import identify_model
from training.settings.rewards.reward import RewardSettings
from training.settings.rewards.weighted_reward import WeightedReward
from transforms.errors import InputError

PLACES = ("path", "function")
"""Keys of a reward that say where its files are. Their values differ between machines."""

KEYS = ("revision", "verifier")
"""Other keys of a reward that is no sum."""


def describe_part(reward: RewardSettings) -> dict[str, Any]:
    """Describe a reward that is not trained here and is no sum, with the versions of its files.

    Returns:
        Its settings; `read_from` has the places of its files, by key of the reward, and is no part
        of their version.

    Raises:
        InputError: the file of a function cannot be used.
    """
    described = reward.model_dump(include=set(KEYS), exclude_none=True)
    if reward.function:
        source = reward.read_function()
        described |= {"function": source.name, "code": source.digest}
    if reward.path:
        described["model"] = identify_model(reward.path)
    if places := reward.model_dump(include=set(PLACES), exclude_none=True):
        described["read_from"] = places
    return described


def read_parts(
    recorded: Mapping[str, Mapping[str, Any]], find_model: Callable[[str], Path]
) -> dict[str, WeightedReward]:
    """Read the parts of a reward.

    Args:
        recorded: by name: `weight`; and `asset`, a model of the study, or `describe_part`.
        find_model: returns the folder of an asset's model.

    Raises:
        InputError: a file is missing, or has changed since the settings were recorded.
    """
    parts = {}
    for name, part in recorded.items():
        if "asset" in part:
            reward = RewardSettings(path=str(find_model(part["asset"])))
        else:
            named = {key: part[key] for key in KEYS if key in part}
            reward = RewardSettings(**named, **part.get("read_from", {}))
            if {**describe_part(reward), "weight": part["weight"]} != part:
                raise InputError(
                    f"the reward {name} has changed",
                    expected=f"the recorded files of {reward.path or reward.function}",
                    found="other files",
                    remedy="restore them from a copy, or train again",
                )
        parts[name] = WeightedReward(weight=part["weight"], reward=reward)
    return parts
