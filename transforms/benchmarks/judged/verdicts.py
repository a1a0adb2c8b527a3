"""Parsing of a judge's verdicts, their shares of a win, and preferences over both orders.

Not here: a judge's prompts (`training.judging`), the figures of a benchmark
(`transforms.benchmarks.judged.figures`).

Thoughts and quotations of other texts are left out (`transforms.benchmarks.judged.thoughts`). The
last line with a mark counts, so that a judge's reasons may contain marks. Different marks in that
line contradict each other: there is no verdict. Nothing is guessed: a text without a mark of the
exact form has no verdict.
"""

import re
from typing import Literal

import polars as pl

from transforms.benchmarks.judged.thoughts import drop_thoughts, split_unquoted_lines

Form = Literal["rating", "choice", "three_way", "five_way"]
"""Form of a verdict. `rating`: [[1]] to [[10]]; `choice`: m or M and nothing else; `three_way`:
[[A]], [[B]], [[C]] (a tie); `five_way`: [[A>>B]], [[A>B]], [[A=B]], [[B>A]], [[B>>A]]."""

MARKS: dict[str, re.Pattern[str]] = {
    "rating": re.compile(r"\[\[(\d+(?:\.\d+)?)\]\]"),
    "three_way": re.compile(r"\[\[([ABC])\]\]"),
    "five_way": re.compile(r"\[\[([AB<>=]+)\]\]"),
}

LOWEST, HIGHEST = 1.0, 10.0
"""Limits of the rating scale."""

FIRST_SHARES: dict[str, dict[str, float]] = {
    "choice": {"m": 1.0, "M": 0.0},
    "three_way": {"A": 1.0, "C": 0.5, "B": 0.0},
    "five_way": {
        **dict.fromkeys(("A>>B", "A>B", "B<A", "B<<A"), 1.0),
        **dict.fromkeys(("A=B", "B=A"), 0.5),
        **dict.fromkeys(("B>>A", "B>A", "A<B", "A<<B"), 0.0),
    },
}
"""Share of a win that a verdict gives to the answer shown first."""

ORDERS = ("model", "baseline")
"""Whose answer is shown first."""


def find_last_mark(text: str, form: str) -> str | None:
    """Return the mark in the last line with marks; None if there is no mark or they differ."""
    conclusion = drop_thoughts(text)
    lines = [] if conclusion is None else split_unquoted_lines(conclusion)
    marked = [marks for line in lines if (marks := set(MARKS[form].findall(line)))]
    return marked[-1].pop() if marked and len(marked[-1]) == 1 else None


def read_verdict(text: str, form: Form) -> str | None:
    """Read the verdict in a text; None if it has no verdict of this form."""
    if form == "choice":
        choice = (drop_thoughts(text) or "").strip()
        return choice if choice in FIRST_SHARES[form] else None
    mark = find_last_mark(text, form)
    if mark is None or (form != "rating" and mark not in FIRST_SHARES[form]):
        return None
    if form == "rating" and not LOWEST <= float(mark) <= HIGHEST:
        return None
    return mark


def average_preferences(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Average the share of a win over both orders.

    Args:
        verdicts: item, shown_first (`ORDERS`), share (of a win of the model, [0, 1]; null without
            a verdict), in the order of their writing; of several verdicts on one game, the last
            counts.

    Returns:
        item, preference, same_winner (whether both orders have the same winner, or both a tie),
        sorted by item; items without a verdict in both orders are left out.
    """
    return (
        verdicts.drop_nulls("share")
        .unique(["item", "shown_first"], keep="last", maintain_order=True)
        .group_by("item")
        .agg(
            preference=pl.col("share").mean(),
            orders=pl.col("shown_first").n_unique(),
            winners=(pl.col("share") - 0.5).sign().n_unique(),
        )
        .filter(pl.col("orders") == len(ORDERS))
        .select("item", "preference", same_winner=pl.col("winners") == 1)
        .sort("item")
    )
