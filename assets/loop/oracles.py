"""Who labels an iteration's pairs: the gold reward, the recipe's judge, or people.

Lives here: the choice that an experiment makes by `feedback.oracle`. Not here: which pairs
(`assets.loop.feedback`), what a label is (`transforms.pairs.feedback`).
"""

from typing import Any

import polars as pl

from assets.loop.judges import ask_judge, judge_settings
from assets.materialize import Step
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.labels import gold_labels, judge_labels
from transforms.pairs.feedback.waiting import require_labels
from transforms.pairs.responses import stamp
from transforms.sources.sample.gold import gold_reward, gold_version


def oracle_settings(study: Study, loop: LoopSettings) -> dict[str, Any]:
    """Say what labels depend on besides the pairs."""
    settings: dict[str, Any] = {"oracle": loop.feedback.oracle}
    if loop.feedback.oracle == "judge":
        settings |= {"judge": judge_settings(study.recipe.judge)}
    return settings


def write_labels(step: Step, queue: pl.DataFrame, **slice_: str | int) -> pl.DataFrame:
    """Have a queue labelled by the experiment's oracle; labels of other oracles stay.

    Args:
        step: the asset's step.
        queue: rows of `label_queue`.
        slice_: experiment and iteration.

    Returns:
        The oracle's rows of `preference_labels`; people's were written by an import.

    Raises:
        InputError: people have not labelled every pair.
    """
    oracle = step.loop.feedback.oracle
    if oracle == "people":
        return require_labels(step.lake, queue)
    if oracle == "gold":
        labels = gold_labels(queue, gold_reward, gold_version())
    else:
        comparisons = queue.select("prompt", "first", "second", comparison_id="pair_id")
        judge_id, judgments = ask_judge(step, comparisons)
        labels = judge_labels(queue, judgments, judge_id)
    labels = stamp(labels, **slice_).select(list(schema_of("preference_labels")))
    step.lake.overwrite("preference_labels", labels, **slice_, oracle=oracle)
    return labels
