import polars as pl
import pytest

from transforms.benchmarks.answer_table import ANSWERS, REQUESTS, Answers, MeasuredModel
from transforms.lake.lake import Lake

MODEL = MeasuredModel("shared", 0, "sft_policy", "pi_0")


def requests(**items):
    """Requests by item: what is asked."""
    return pl.DataFrame(
        [
            {"subset": "s", "item": item, "repeat": 0, "request_id": asked}
            for item, asked in items.items()
        ],
        schema=REQUESTS,
    )


def answered(asked):
    return asked.with_columns(
        answer=pl.lit("text"),
        extracted=pl.lit(None, pl.String),
        score=pl.lit(1.0),
        scores=pl.lit([{"metric": "m", "value": 1.0}]),
        finish_reason=pl.lit("stop"),
    ).select(list(ANSWERS))


def append(answers, rows):
    with answers.append_chunks() as write:
        write(rows)


@pytest.fixture
def answers(tmp_path):
    return Answers(Lake(tmp_path), MODEL, "gsm8k")


def test_all_is_missing_from_an_empty_lake(answers):
    assert answers.select_missing(requests(a="1", b="2"))["item"].to_list() == ["a", "b"]


def test_what_was_answered_is_not_missing(answers):
    append(answers, answered(requests(a="1")))
    assert answers.select_missing(requests(b="2", a="1"))["item"].to_list() == ["b"]
    assert answers.read()["item"].to_list() == ["a"]


def test_a_changed_request_is_asked_again_and_its_old_answer_leaves(answers):
    append(answers, answered(requests(a="1", b="2")))
    assert answers.select_missing(requests(a="other", b="2"))["item"].to_list() == ["a"]
    assert answers.read()["item"].to_list() == ["b"]


def test_another_policy_of_the_same_asset_is_asked_again(answers, tmp_path):
    append(answers, answered(requests(a="1")))
    retrained = Answers(Lake(tmp_path), MODEL._replace(policy_id="other"), "gsm8k")
    assert retrained.select_missing(requests(a="1")).height == 1
    assert retrained.read().is_empty()


def test_slices_do_not_touch_each_other(answers, tmp_path):
    append(answers, answered(requests(a="1")))
    other = Answers(Lake(tmp_path), MODEL._replace(model="offline_dpo"), "gsm8k")
    append(other, answered(requests(a="1")))
    assert other.select_missing(requests(a="changed")).height == 1
    assert answers.read().height == 1
