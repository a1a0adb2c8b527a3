"""Rows of other experiments that a step takes over, and what its page says of them.

Not here: which rows are equal (`transforms.pairs.reuse`).
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assets.loop.rankers import Ranker
from assets.materialize import Step
from transforms.lake.records import materializations
from transforms.pairs.responses import Keys
from transforms.pairs.reuse import adopt_responses, adopt_scores


def adopt_drawn(
    step: Step, keys: Sequence[Keys], missing: Sequence[pl.DataFrame]
) -> dict[str, Any]:
    """Take over responses that other experiments drew with this step's settings; say from where."""
    settings = json.dumps(step.settings, sort_keys=True)
    alike = materializations.made_alike(step.lake, step.asset, step.experiment, settings)
    adopted: Counter[str] = Counter()
    for one, prompts in zip(keys, missing, strict=True):
        adopted.update(adopt_responses(step.lake, one, prompts, alike))
    return _said(step, adopted)


def adopt_scored(
    step: Step, ranker: Ranker, missing: pl.DataFrame, **slice_: str | int
) -> dict[str, Any]:
    """Take over scores of equal responses by the same ranker; say from where."""
    adopted = adopt_scores(step.lake, ranker.ranker_id, ranker.ranking_id, missing, **slice_)
    return _said(step, adopted)


def _said(step: Step, adopted: Mapping[str, int]) -> dict[str, Any]:
    if not adopted:
        return {}
    named = ", ".join(f"{rows} of {experiment}" for experiment, rows in adopted.items())
    step.log.info(f"{step.asset}: rows taken over: {named}")
    return {"rows_adopted": sum(adopted.values()), "adopted_from": named}
