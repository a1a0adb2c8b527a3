"""Names of assets in tables: those of an iteration, and the baselines of every experiment."""

import re

from transforms.errors import InputError
from transforms.lake.schemas.table import SHARED

ITERATION = "iteration_"
"""First part of an iteration's name, before its number."""

INITIAL_POLICIES = ("sft_policy", "initial_model")
"""The asset that is π₀: the fine-tuned policy, or without fine-tuning the initial model."""

OFFLINE = "offline_dpo"
"""The asset of the baseline that is trained on the preference pairs of the sources."""

BASELINES = (*INITIAL_POLICIES, OFFLINE, "one_shot/policy")
"""Assets of the policies that every experiment is compared with, in the order of reports. A study
has π₀ under one of its two names, and offline DPO if it has preference pairs."""


def iteration_name(iteration: int) -> str:
    """Return the name of an iteration, which its group of assets and its prompt split share."""
    return f"{ITERATION}{iteration}"


def iteration_asset(iteration: int, noun: str) -> str:
    """Return the name of an asset of an iteration, such as `iteration_2/policy`."""
    return f"{iteration_name(iteration)}/{noun}"


def slice_file_name(asset: str, experiment: str) -> str:
    """Return a file name for an asset of an experiment.

    Raises:
        InputError: a name could be a path to another folder.
    """
    name = f"{asset.replace('/', '__')}__{experiment}"
    if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII):
        raise InputError(
            "these names cannot be a part of the name of a file",
            expected="letters without accents, digits and the characters _ . -",
            found=f"asset {asset!r}, experiment {experiment!r}",
            remedy="choose another name",
        )
    return name


def iteration_number(name: str) -> int | None:
    """Return the iteration in the name of an iteration or an asset; None if there is none."""
    found = re.match(rf"{ITERATION}(\d+)(/|$)", name)
    return int(found[1]) if found else None


def shared_noun(asset: str) -> str:
    """Return an asset's name without its iteration, such as `policy`."""
    return asset if iteration_number(asset) is None else asset.partition("/")[2]


def reported_name(policy: str) -> str:
    """Return the name of a policy in reports: without `/policy`."""
    return policy.removesuffix("/policy")


def name_model(experiment: str, asset: str) -> str:
    """Return a model's shortest name, which every command accepts, such as `iterative/2`.

    Args:
        experiment: its experiment; that of models which all experiments share is left out.
        asset: its asset, also as reports name it.
    """
    iteration = iteration_number(asset)
    if iteration is not None and shared_noun(asset) in ("", "policy"):
        return f"{experiment}/{iteration}"
    name = reported_name(asset)
    return name if experiment == SHARED else f"{experiment}/{name}"


REPORTED_BASELINES = tuple(map(reported_name, BASELINES))
"""The baselines by their names in reports."""
