"""Pairing of stored responses by their scores, for the loop and for `prefloop what-if`.

`prefloop what-if` needs no model: it pairs the stored responses of an experiment by other settings.
Not here: the rules (`transforms.pairs.dpo_pairs`).
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import polars as pl
from pydantic import ValidationError

from training.settings.experiments import RESERVED
from transforms.errors import InputError
from transforms.lake.asset_names import iteration_asset
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.locks import lock_slice
from transforms.lake.pinned_lake import PinnedLake
from transforms.lake.records import materializations
from transforms.lake.schemas.table import SHARED
from transforms.pairs import dpo_pairs, responses
from transforms.pairs.length_penalty import resolve_length_penalty
from transforms.settings.names import is_name
from transforms.settings.overrides import merge
from transforms.settings.pairs import PairSettings
from transforms.settings.validation_errors import convert_validation_error
from transforms.views.query import check, connect
from transforms.views.statements import find_names

PAIR_CHECKS = (
    "no_duplicate_pair",
    "chosen_differs_from_rejected",
    "penalised_reward_is_ordered",
    "no_held_out_prompt_in_training",
)
"""Files of `sql/checks` for pairs."""

Slice = Mapping[str, Any]


class Paired(NamedTuple):
    """The pairs of a slice that were written."""

    pairs: pl.DataFrame
    dropped: pl.DataFrame
    penalty: float
    """lambda of eq. 8, in reward units per unit of length."""
    version: int
    """Version of the table `dpo_pairs`."""


def write_pairs(lake: Lake, settings: PairSettings, source: Slice, target: Slice) -> Paired:
    """Pair the responses of one slice; write pairs and dropped prompts as a target slice.

    Raises:
        InputError: no prompt has a pair; the tables keep their rows.
    """
    rows = responses.read_with_rewards(lake, **source)
    penalty = resolve_length_penalty(rows, settings)
    kept, dropped = (
        add_keys(part, **target) for part in dpo_pairs.make_pairs(rows, settings, penalty)
    )
    dpo_pairs.require_pairs(kept, dropped)
    lake.overwrite("dropped_pairs", dropped, **target)
    return Paired(kept, dropped, penalty, lake.overwrite("dpo_pairs", kept, **target))


def pair_again(
    lake: Lake, source: str, iterations: Sequence[int], name: str, changes: Mapping[str, Any]
) -> list[Paired]:
    """Pair the stored responses of an experiment by other settings, as a new experiment.

    The new pairs are recorded with the source's responses and scores as inputs. A recipe that has
    the new experiment, with these settings of `pairs`, trains on them: its first iteration copies
    the source's responses and scores (`transforms.pairs.reuse`) and makes the same pairs. Later
    iterations sample its own policies and replace the pairs written here.

    Args:
        lake: the lake.
        source: experiment whose responses and scores are paired.
        iterations: iterations of the source.
        name: the new experiment; pairs that this function wrote under this name are replaced.
        changes: settings of `pairs` that override the source's.

    Raises:
        InputError: the source has no such pairs, the name is taken, a setting is refused, or a
            check of the pairs fails.
    """
    _require_free(lake, name)
    recorded = materializations.read_latest(lake)
    paired = []
    for iteration in iterations:
        asset = iteration_asset(iteration, "dpo_pairs")
        if (asset, source) not in recorded:
            raise InputError(
                f"{source} has no pairs of iteration {iteration}",
                expected=f"{asset} materialized for the experiment {source}",
                found="no record of it in the table materializations",
                remedy=f"prefloop run RECIPE --experiment {source}",
            )
        settings = _override(json.loads(recorded[asset, source]["settings"])["pairs"], changes)
        inputs = materializations.find_output_ids(
            lake, list(json.loads(recorded[asset, source]["inputs"])), source
        )
        target = {"experiment": name, "iteration": iteration}
        started = time.monotonic()
        with lock_slice(lake, asset, name, wait=lambda message: None):
            view = PinnedLake(
                lake.root, inputs, materializations.find_written(lake, inputs, source)
            )
            made = write_pairs(view, settings, {**target, "experiment": source}, target)
            _require_passed(lake, target)
            materializations.record(
                lake,
                asset=asset,
                experiment=name,
                output_id=f"dpo_pairs@{made.version}",
                settings=json.dumps({"pairs": settings.model_dump()}, sort_keys=True),
                inputs=json.dumps(inputs, sort_keys=True),
                tables=materializations.describe_written(view.list_written()),
                run_id=str(uuid4()),
                elapsed_s=time.monotonic() - started,
            )
        paired.append(made)
    return paired


def _override(pairs: Mapping[str, Any], changes: Mapping[str, Any]) -> PairSettings:
    try:
        return PairSettings.model_validate(merge(pairs, changes))
    except ValidationError as error:
        raise convert_validation_error(
            error, "settings of pairs are refused", model=PairSettings, prefix="pairs"
        ) from None


def _require_free(lake: Lake, name: str) -> None:
    """Refuse the name of an experiment that a recipe has run: it has more assets than pairs."""
    made = [asset for asset, experiment in materializations.read_latest(lake) if experiment == name]
    run = sorted(asset for asset in made if not asset.endswith("/dpo_pairs"))
    allowed = is_name(name) and name not in (*RESERVED, SHARED)
    if run or not allowed:
        raise InputError(
            f"pairs cannot be written as experiment {name}",
            expected="the name of a new experiment: a lower-case letter, then lower-case letters,"
            " digits and _",
            found=f"an experiment that has {run[0]}" if run else "a reserved or impossible name",
            remedy="choose another name with --as",
        )


def _require_passed(lake: Lake, slice_: Slice) -> None:
    """Refuse pairs with failing rows in `PAIR_CHECKS`."""
    with connect(lake, names=find_names("checks", PAIR_CHECKS)) as connection:
        failed = {one: check(connection, one, slice_).height for one in PAIR_CHECKS}
    if any(failed.values()):
        raise InputError(
            f"the pairs of {slice_['experiment']} fail a check",
            expected="no failing rows",
            found=", ".join(f"{rows} of {one}" for one, rows in failed.items() if rows),
            remedy="look at the source's pairs with prefloop sql, and at the check in sql/checks",
        )
