"""The oracles that label an iteration's pairs: one value each, listed once in `ORACLES`.

Not here: the choice of pairs (`assets.loop.feedback`), the labels (`transforms.pairs.feedback`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from assets.loop.judges import ask_judge, judge_settings
from assets.materialize import Step
from assets.study import Study
from training.settings.feedback import FeedbackSettings
from training.settings.loop import LoopSettings
from transforms.lake.enforcement import add_keys
from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.labels import make_gold_labels, make_judge_labels
from transforms.pairs.feedback.queue import require_labels
from transforms.sources.sample.gold import gold_reward, gold_version


@dataclass(frozen=True)
class Oracle:
    """A source of preference labels."""

    name: str
    """Value of `feedback.oracle`, and of the column `oracle`."""
    label: Callable[[Step, pl.DataFrame], pl.DataFrame]
    """Takes the step and rows of `label_queue`; returns their labels."""
    settings: Callable[[Study], Mapping[str, Any]] = lambda study: {}
    """Returns the settings that its labels depend on."""
    accelerator: bool = False
    """Whether it needs the pool `gpu`."""
    imported: bool = False
    """Whether its labels are already in the lake, from `prefloop label import`."""


def label_by_gold(step: Step, queue: pl.DataFrame) -> pl.DataFrame:
    """Label pairs by their gold rewards."""
    return make_gold_labels(queue, gold_reward, gold_version())


def label_by_judge(step: Step, queue: pl.DataFrame) -> pl.DataFrame:
    """Label pairs by the verdicts of the recipe's judge."""
    comparisons = queue.select("prompt", "first", "second", comparison_id="pair_id")
    judge_id, judgments = ask_judge(step, comparisons)
    return make_judge_labels(queue, judgments, judge_id)


def read_labels_of_people(step: Step, queue: pl.DataFrame) -> pl.DataFrame:
    """Read the imported labels of pairs.

    Raises:
        InputError: people have not labelled every pair.
    """
    return require_labels(step.lake, queue)


ORACLES: Mapping[str, Oracle] = {
    oracle.name: oracle
    for oracle in (
        Oracle("gold", label_by_gold),
        Oracle(
            "judge",
            label_by_judge,
            settings=lambda study: {"judge": judge_settings(study.judge)},
            accelerator=True,
        ),
        Oracle("people", read_labels_of_people, imported=True),
    )
}
"""Every oracle, by name."""


def require_feedback(loop: LoopSettings) -> FeedbackSettings:
    """Return the feedback settings of an experiment that has feedback."""
    if loop.feedback is None:
        raise ValueError("the experiment has no feedback")
    return loop.feedback


def find_oracle(loop: LoopSettings) -> Oracle:
    """Return the oracle of an experiment that has feedback."""
    return ORACLES[require_feedback(loop).oracle]


def oracle_settings(study: Study, loop: LoopSettings) -> dict[str, Any]:
    """Return the settings that labels depend on, besides the pairs."""
    oracle = find_oracle(loop)
    return {"oracle": oracle.name, **oracle.settings(study)}


def write_labels(
    step: Step, queue: pl.DataFrame, *, experiment: str, iteration: int
) -> pl.DataFrame:
    """Label a queue by the experiment's oracle; labels of other oracles stay in the table.

    Args:
        step: the asset's step.
        queue: rows of `label_queue`.
        experiment: of the queue.
        iteration: of the queue.

    Returns:
        The oracle's rows of `preference_labels`.

    Raises:
        InputError: people have not labelled every pair.
    """
    oracle = find_oracle(step.loop)
    labels = oracle.label(step, queue)
    if oracle.imported:
        return labels
    stamped = add_keys(labels, experiment=experiment, iteration=iteration)
    rows = stamped.select(list(schema_of("preference_labels")))
    step.lake.overwrite(
        "preference_labels", rows, experiment=experiment, iteration=iteration, oracle=oracle.name
    )
    return rows
