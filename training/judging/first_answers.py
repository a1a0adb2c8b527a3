"""The first answers of a judge's run: if hardly any contains a verdict, the run stops there.

A judge whose answers are cut before their verdict would else be asked for hours, until the check at
the end. Requests that failed are no answers: they are sent again by the next run, and are often the
first ones. Not here: the check of all answers (`sql/checks/judgments_are_usable.sql`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from training.settings.judge import JudgeSettings
from transforms.errors import InputError

ANSWERS = 1024
"""Number of answers that decide."""
VERDICT_SHARE = 0.1
"""Smallest share of them that must contain a verdict."""
SHOWN_CHARS = 80
"""Characters of an answer that the error shows."""


class FirstAnswers:
    """Counts the first answers of one run, over all its chunks."""

    def __init__(self, settings: JudgeSettings) -> None:
        """Start to count."""
        self._settings = settings
        self._answers = self._unparseable = 0

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows of `judgments`.

        Raises:
            InputError: too few of the first answers contain a verdict.
        """
        for row in rows:
            if row["error"] is not None or self._answers == ANSWERS:
                continue
            self._answers += 1
            if row["verdict"] == "unparseable":
                self._unparseable += 1
                self._last = row["raw_text"]
            if self._answers == ANSWERS:
                self._require_verdicts()

    def _require_verdicts(self) -> None:
        allowed = max(1 - VERDICT_SHARE, self._settings.max_unparsed_share)
        if self._unparseable <= allowed * ANSWERS:
            return
        raise InputError(
            f"the judge {self._settings.path or self._settings.model} gives too few verdicts",
            expected=f"a verdict in {1 - allowed:.0%} of the first {ANSWERS:,} answers",
            found=f"none in {self._unparseable:,}; the last of these ends with"
            f" {self._last[-SHOWN_CHARS:]!r}",
            remedy="raise judge.max_tokens for a judge that thinks first, choose another rubric, or"
            " raise judge.max_unparsed_share; the table judgments has the answers",
        )
