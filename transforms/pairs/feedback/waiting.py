"""What people still have to label.

Not here: their answers (`transforms.pairs.feedback.imports`).
"""

import polars as pl

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.imports import PEOPLE

PAIR = ["experiment", "iteration", "pair_id"]
"""Columns that name a pair of a queue, and the pair of a label."""


def read_queue(lake: Lake, experiment: str, iteration: int) -> pl.DataFrame:
    """Read the queue of an iteration.

    Raises:
        InputError: there is none.
    """
    rows = (
        lake.read("label_queue", experiment=experiment, iteration=iteration)
        if lake.exists("label_queue")
        else pl.DataFrame()
    )
    if rows.is_empty():
        raise InputError(
            f"no pairs of {experiment}/{iteration} are to be labelled",
            expected="rows of that slice in the table label_queue",
            found="none",
            remedy="prefloop run the experiment; its recipe sets feedback.oracle to people",
        )
    return rows


def unlabelled(lake: Lake, queue: pl.DataFrame) -> pl.DataFrame:
    """Keep the rows of a queue that nobody has labelled."""
    if not lake.exists("preference_labels"):
        return queue
    labels = lake.read("preference_labels", oracle=PEOPLE)
    return queue.join(labels, on=PAIR, how="anti", maintain_order="left")


def require_labels(lake: Lake, queue: pl.DataFrame) -> pl.DataFrame:
    """Read people's labels of a queue.

    Returns:
        Rows of `preference_labels`.

    Raises:
        InputError: pairs have no label yet; it says how many, and what to do.
    """
    missing = unlabelled(lake, queue)
    if missing.height:
        name = "/".join(map(str, missing.select("experiment", "iteration").row(0)))
        home = f"--home {lake.root.parent}"
        raise InputError(
            f"{name} waits for people",
            expected=f"a label for each of {queue.height} pairs",
            found=f"{missing.height} without one",
            remedy=f"prefloop label export {name} --missing {home} > queue.jsonl; have it filled "
            f"in; prefloop label import queue.jsonl {home}; then run again: it goes on from here",
        )
    if queue.is_empty():
        return pl.DataFrame(schema=schema_of("preference_labels"))
    return lake.read("preference_labels", oracle=PEOPLE).join(queue, on=PAIR, how="semi")
