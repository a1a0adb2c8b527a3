"""Settings of experiments as their differences from those of the recipe.

Not here: settings that were recorded (`transforms.views.page.experiment_settings`).
"""

from collections.abc import Mapping
from typing import Any

import polars as pl

from transforms.settings.overrides import flatten

SAME = ""
"""Cell of an experiment whose setting is that of the recipe."""

ABSENT = "-"
"""Cell of a setting that an experiment does not have, such as one of another objective."""


def tabulate_differences(
    recipe: Mapping[str, Any], experiments: Mapping[str, Mapping[str, Any]]
) -> pl.DataFrame:
    """Tabulate the settings in which experiments differ from their recipe.

    Args:
        recipe: settings by the recipe's own loop, nested.
        experiments: settings of each experiment, nested.

    Returns:
        One row per setting that some experiment changes: setting (a dotted name), recipe, and one
        column per experiment that changes one; `SAME` where the experiment does not change it. No
        rows if all experiments are like the recipe.
    """
    own = dict(flatten(recipe))
    flat = {name: dict(flatten(settings)) for name, settings in experiments.items()}
    names = dict.fromkeys([*own, *(key for settings in flat.values() for key in settings)])
    changed = [
        key
        for key in names
        if any(_format(settings, key) != _format(own, key) for settings in flat.values())
    ]
    shown = {
        name: [
            SAME if _format(settings, key) == _format(own, key) else _format(settings, key)
            for key in changed
        ]
        for name, settings in flat.items()
    }
    return pl.DataFrame(
        {
            "setting": changed,
            "recipe": [_format(own, key) for key in changed],
            **{name: cells for name, cells in shown.items() if any(cells)},
        },
        schema_overrides={"setting": pl.String, "recipe": pl.String},
    )


def _format(settings: Mapping[str, Any], key: str) -> str:
    if key not in settings:
        return ABSENT
    value = settings[key]
    return f"{value:g}" if isinstance(value, float) else str(value)
