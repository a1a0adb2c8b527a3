"""Which changes of recorded settings make an asset stale: pure comparisons."""

import pytest

from assets.compared_settings import UNCOMPARED, list_changes, select_compared
from training.settings.evaluation import EvaluationSettings
from training.settings.objectives import RLOORun

RECORD = {"dpo": {"beta": 0.1, "logging_steps": 5}, "seed": 1}


def test_a_change_has_its_dotted_key_and_both_values():
    after = {"dpo": {"beta": 0.2, "logging_steps": 5}, "seed": 2, "start": "initial"}
    assert list_changes(RECORD, after) == [
        ("dpo.beta", 0.1, 0.2), ("seed", 1, 2), ("start", None, "initial"),
    ]  # fmt: skip
    assert list_changes(RECORD, RECORD) == []


def test_what_no_weight_depends_on_is_recorded_and_not_compared():
    assert list_changes(RECORD, {"dpo": {"beta": 0.1, "logging_steps": 1}, "seed": 1}) == []
    assert select_compared(RECORD) == {"dpo": {"beta": 0.1}, "seed": 1}


@pytest.mark.parametrize("off", [None, False, [], {}])
def test_an_option_of_a_newer_version_that_is_off_makes_nothing_stale(off):
    newer = {"dpo": {**RECORD["dpo"], "option": off}, "seed": 1}
    assert list_changes(RECORD, newer) == list_changes(newer, RECORD) == []


@pytest.mark.parametrize("value", [0, 0.0, "", True, "off", [1]])
def test_an_option_of_a_newer_version_with_another_default_is_a_change(value):
    newer = {"dpo": {**RECORD["dpo"], "option": value}, "seed": 1}
    assert list_changes(RECORD, newer) == [("dpo.option", None, value)]
    assert list_changes(newer, RECORD) == [("dpo.option", value, None)]


def test_null_and_false_are_different_values_of_one_option():
    assert list_changes({"option": None}, {"option": False}) == [("option", None, False)]


def test_a_thing_that_is_added_by_name_is_a_change_even_if_all_its_settings_are_off():
    """Such as an evaluation set whose files are missing."""
    after = {**RECORD, "mbpp": {"files": None, "max_rows": None}}
    assert [change.key for change in list_changes(RECORD, after)] == [
        "mbpp.files", "mbpp.max_rows",
    ]  # fmt: skip


def test_every_key_that_is_not_compared_exists():
    """`folder` is of `identify_model`, `read_from` of `describe_part`."""
    fields = {*RLOORun.model_fields, *EvaluationSettings.model_fields, "folder", "read_from"}
    assert fields >= UNCOMPARED
