"""Recorded settings: all of them, and those in which the experiments differ.

Not here: the settings themselves (`training.settings`).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from transforms.lake.asset_names import shared_noun
from transforms.lake.schemas.table import ORDER, SHARED
from transforms.pairs.objectives import OBJECTIVES
from transforms.settings.overrides import flatten


def compare_settings(made: pl.DataFrame) -> pl.DataFrame:
    """Find the settings that differ: one row per experiment, one column per setting.

    Settings of an asset are compared between the experiments that made it; all iterations count as
    one. Settings of an objective are compared between the experiments that train with it.

    Args:
        made: `materializations`.
    """
    rows = _select_last(made).filter(pl.col("experiment") != SHARED)
    recorded: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows.iter_rows(named=True):
        noun = shared_noun(row["asset"])
        settings = {name: _format(value) for name, value in flatten(json.loads(row["settings"]))}
        if objective := next((one for one in OBJECTIVES if any(_find_own(one, settings))), None):
            settings["objective"] = objective
        known = recorded.setdefault(noun, {}).setdefault(row["experiment"], {})
        objectives = known.get("objective", "")
        if objective and objectives and objective not in objectives.split(", "):
            known["objective"] = f"{objectives}, {objective}"
        known.update({name: value for name, value in settings.items() if name not in known})
    found: dict[str, dict[str, str | None]] = {name: {} for name in sorted(set(rows["experiment"]))}
    for experiments in recorded.values():
        for name in sorted({name for settings in experiments.values() for name in settings}):
            objective = name.partition(".")[0]
            values = {
                experiment: settings.get(name)
                for experiment, settings in experiments.items()
                if objective not in OBJECTIVES or any(_find_own(objective, settings))
            }
            if len(set(values.values())) > 1:
                for experiment, value in values.items():
                    found[experiment][name] = value
    names = sorted({name for settings in found.values() for name in settings})
    return pl.DataFrame(
        [{"experiment": experiment, **settings} for experiment, settings in found.items()],
        schema={"experiment": pl.String, **dict.fromkeys(names, pl.String)},
    )


def _find_own(objective: str, settings: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of an objective's settings."""
    return (name for name in settings if name.startswith(f"{objective}."))


def list_settings(made: pl.DataFrame) -> pl.DataFrame:
    """List the recorded settings of every asset; experiments with equal settings share a row."""
    rows = [
        (
            row["asset"],
            row["experiment"],
            ", ".join(
                f"{name} = {_format(value)}"
                for name, value in flatten(json.loads(row["settings"]))
                if value not in (None, [])
            ),
        )
        for row in _select_last(made).iter_rows(named=True)
    ]
    schema = {"asset": pl.String, "experiments": pl.String, "settings": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row").filter(pl.col("settings") != "")
    return (
        frame.group_by("asset", "settings")
        .agg(pl.col("experiments").sort().str.join(", "))
        .sort("asset", "experiments")
        .select("asset", "experiments", "settings")
    )


def _select_last(made: pl.DataFrame) -> pl.DataFrame:
    last = made.sort(ORDER).unique(["asset", "experiment"], keep="last")
    return last.sort("asset", "experiment")


def _format(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
