"""A run stops at its first answers if hardly any contains a verdict."""

from contextlib import nullcontext

import pytest

from training.judging import first_answers
from training.judging.first_answers import FirstAnswers
from training.settings.judge import JudgeSettings
from transforms.errors import InputError


@pytest.mark.parametrize(
    ("verdicts", "share", "stops"),
    [(0, 0.05, True), (1, 0.05, False), (0, 1.0, False)],
)
def test_a_tenth_of_verdicts_or_an_allowed_share_goes_on(verdicts, share, stops, monkeypatch):
    monkeypatch.setattr(first_answers, "ANSWERS", 10)
    first = FirstAnswers(JudgeSettings(path="j", max_unparsed_share=share))
    failed = {"error": "too long", "verdict": None, "raw_text": None}
    bad = {"error": None, "verdict": "unparseable", "raw_text": "no"}
    rows = [failed] * 50 + [bad | {"verdict": "A"}] * verdicts + [bad] * (9 - verdicts)
    first.add(rows)
    with pytest.raises(InputError) if stops else nullcontext():
        first.add([bad])
    first.add([bad] * 50)
