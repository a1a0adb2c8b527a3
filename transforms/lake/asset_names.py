"""Names of assets as tables record them: an iteration's, and the baselines of every experiment.

Not here: which assets there are (`assets`), an asset's rows (`transforms.lake.slices`).
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

ITERATION = "iteration_"
"""First part of an iteration's name, before its number."""

BASELINES: Mapping[str, str] = MappingProxyType(
    {"sft_policy": "SFT", "offline_dpo": "offline DPO", "one_shot/policy": "one-shot DPO"}
)
"""Policies that every experiment is compared with, in the order of reports: asset and label."""


def iteration_name(iteration: int) -> str:
    """Return an iteration's name: the group of its assets, and the split of its prompts."""
    return f"{ITERATION}{iteration}"


def iteration_asset(iteration: int, noun: str) -> str:
    """Return the name of one of an iteration's assets, such as `iteration_2/policy`."""
    return f"{iteration_name(iteration)}/{noun}"


def iteration_number(name: str) -> int | None:
    """Return the number in an iteration's name or an asset's; None where there is none."""
    found = re.match(rf"{ITERATION}(\d+)(/|$)", name)
    return int(found[1]) if found else None


def shared_noun(asset: str) -> str:
    """Return what all iterations call an asset: its name without its iteration."""
    return asset if iteration_number(asset) is None else asset.partition("/")[2]


def reported_name(policy: str) -> str:
    """Return a policy's name in reports, which leave `/policy` out."""
    return policy.removesuffix("/policy")


REPORTED_BASELINES: Mapping[str, str] = MappingProxyType(
    {reported_name(asset): label for asset, label in BASELINES.items()}
)
"""The baselines by their names in reports."""
