from itertools import combinations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES
from transforms.pairs.judgments import (
    combine_verdicts,
    compute_win_shares,
    make_round_robin,
    read_answered,
    read_verdicts,
    record_judge,
    select_missing,
    select_verdicts,
    split_pair_shares,
)
from transforms.views.query import connect, query

VERDICTS = ["A", "B", "tie", "unparseable", None]


def responses(**texts):
    """Responses by prompt, numbered from 0."""
    rows = [
        (prompt, index, [{"role": "user", "content": f"say {prompt}"}], text)
        for prompt, given_texts in texts.items()
        for index, text in enumerate(given_texts)
    ]
    schema = {
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "prompt": MESSAGES,
        "response": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def judgments(*rows, judge_id="j"):
    """Judgments from (comparison_id, a_is, verdict) or (…, error)."""
    named = [
        dict(zip(("comparison_id", "a_is", "verdict", "error"), row, strict=False)) for row in rows
    ]
    return pl.DataFrame([{"judge_id": judge_id, **row} for row in named], schema_of("judgments"))


def both(comparison_id, first_as_a, second_as_a):
    return [(comparison_id, "first", first_as_a), (comparison_id, "second", second_as_a)]


def judged(comparisons, prefer):
    """Judge comparisons in both orders by a function of two texts: 1, 0.5 or 0 for the first."""
    letters = {1: ("A", "B"), 0: ("B", "A"), 0.5: ("tie", "tie"), None: ("A", "unparseable")}
    return judgments(
        *[
            row
            for one in comparisons.rows(named=True)
            for row in both(one["comparison_id"], *letters[prefer(one["first"], one["second"])])
        ]
    )


@pytest.mark.parametrize(
    ("first_as_a", "second_as_a", "share"),
    [
        ("A", "B", 1.0),
        ("B", "A", 0.0),
        ("tie", "tie", 0.5),
        ("A", "A", 0.5),
        ("B", "B", 0.5),
        ("A", "tie", 0.5),
        ("tie", "A", 0.5),
        ("A", "unparseable", None),
        ("unparseable", "B", None),
        ("unparseable", "unparseable", None),
        ("A", None, None),
        (None, None, None),
    ],
)
def test_both_orders_are_combined(first_as_a, second_as_a, share):
    assert combine_verdicts(judgments(*both("c", first_as_a, second_as_a))).rows() == [("c", share)]


def test_one_order_is_no_verdict():
    assert combine_verdicts(judgments(("c", "first", "A"))).rows() == [("c", None)]


@given(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS))
def test_which_response_is_called_first_does_not_matter(one, other):
    share = combine_verdicts(judgments(*both("c", one, other))).item(0, "first_share")
    turned = combine_verdicts(judgments(*both("c", other, one))).item(0, "first_share")
    assert turned == (None if share is None else 1 - share)


def test_every_two_texts_of_a_prompt_meet_once():
    met, comparisons = make_round_robin(responses(p=["a", "b", "a"], q=["b", "a"], r=["a"]))
    assert met.select("prompt_id", "left", "right", "left_is_first").rows() == [
        ("p", 0, 1, True),
        ("p", 0, 2, False),
        ("p", 1, 2, False),
        ("q", 0, 1, False),
    ]
    assert met["comparison_id"].is_null().to_list() == [False, True, False, False]
    # the same two texts are compared once per prompt
    assert comparisons.select("first", "second").rows() == [("a", "b"), ("a", "b")]
    assert comparisons["comparison_id"].n_unique() == 2


def test_win_shares_of_a_judge_that_likes_length():
    rows = responses(p=["aaa", "a", "aa", "bb"])
    met, comparisons = make_round_robin(rows)
    prefer = {True: 1, False: 0}
    decided = combine_verdicts(
        judged(
            comparisons,
            lambda a, b: 0.5 if len(a) == len(b) else prefer[len(a) > len(b)],
        )
    )
    assert compute_win_shares(met, decided).rows() == [
        ("p", 0, 1.0, 0),
        ("p", 1, 0.0, 0),
        ("p", 2, 0.5, 0),
        ("p", 3, 0.5, 0),
    ]


def test_matches_without_a_verdict_are_left_out_and_counted():
    rows = responses(p=["x", "a", "b"], q=["x", "y"])
    met, comparisons = make_round_robin(rows)
    decided = combine_verdicts(judged(comparisons, lambda a, b: None if "x" in a + b else 1))
    assert compute_win_shares(met, decided).rows() == [
        ("p", 0, None, 2),
        ("p", 1, 1.0, 1),
        ("p", 2, 0.0, 1),
        ("q", 0, None, 1),
        ("q", 1, None, 1),
    ]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from("abcd"), min_size=2, max_size=6),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), min_size=4, max_size=4),
)
def test_shares_sum_to_half_the_responses_and_follow_the_quality(texts, quality):
    met, comparisons = make_round_robin(responses(p=texts))
    assert met.height == len(list(combinations(texts, 2)))

    def prefer(a, b):
        return 0.5 if quality[a] == quality[b] else int(quality[a] > quality[b])

    shares = compute_win_shares(met, combine_verdicts(judged(comparisons, prefer)))[
        "reward"
    ].to_list()
    assert sum(shares) == pytest.approx(len(texts) / 2)
    for i, j in combinations(range(len(texts)), 2):
        better = quality[texts[i]] - quality[texts[j]]
        assert (shares[i] - shares[j]) * better >= 0


def test_a_pair_without_a_verdict_is_named_and_not_ranked():
    shares = pl.DataFrame(
        {
            "prompt_id": ["p", "q", "p", "q"],
            "response_index": [0, 0, 1, 1],
            "reward": [0.75, None, 0.25, None],
        }
    )
    decided, undecided = split_pair_shares(shares)
    assert decided.rows() == [("p", 0.75, 0.25)]
    assert undecided.rows() == [("q", "no_verdict", "see judgments.raw_text")]


def test_a_restart_asks_for_what_is_missing_and_what_had_no_answer(tmp_path):
    lake = Lake(tmp_path)
    assert read_answered(lake, "j").is_empty()
    lake.append("judgments", judgments(*both("c", "A", "B"), *both("d", "unparseable", "A")))
    lake.append(
        "judgments", judgments(("e", "first", None, "no answer within 1 s"), ("e", "second", "A"))
    )
    other = judgments(("e", "first", None, "no answer"), ("e", "second", "A"), judge_id="other")
    lake.append("judgments", other)
    known = read_answered(lake, "j")
    assert sorted(known.rows()) == sorted([*both("c", "A", "B"), *both("d", "unparseable", "A")])
    asked = pl.DataFrame({"comparison_id": ["e", "f", "c", "d"]})
    assert select_missing(asked, known)["comparison_id"].to_list() == ["e", "f"]
    assert lake.version("judgments") == 2  # reading removes nothing


def test_no_run_removes_a_verdict_that_another_run_has_paid_for(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    lake.append("judgments", judgments(("c", "first", None, "no answer"), ("c", "second", "A")))
    scan = Lake.scan

    def append_meanwhile(self, *table, **rows):
        found = scan(self, *table, **rows)
        monkeypatch.setattr(Lake, "scan", scan)
        Lake(tmp_path).append("judgments", judgments(*both("d", "A", "B")))
        return found

    monkeypatch.setattr(Lake, "scan", append_meanwhile)
    read_answered(lake, "j")
    assert set(lake.read("judgments")["comparison_id"]) == {"c", "d"}
    assert set(read_answered(lake, "j")["comparison_id"]) == {"d"}


def test_a_verdict_counts_more_than_an_error_and_the_first_one_counts(tmp_path):
    lake = Lake(tmp_path)
    failed = ("c", "first", None, "no answer"), ("c", "second", "B")
    for rows in (failed, both("c", "A", "B"), both("c", "tie", "tie"), failed):
        lake.append("judgments", judgments(*rows))
    lake.append("judgments", judgments(*both("c", "B", "A"), judge_id="other"))
    assert sorted(read_answered(lake, "j").rows()) == sorted(both("c", "A", "B"))
    first = read_verdicts(lake).rows()
    assert first == [("j", *row) for row in both("c", "A", "B")] + [
        ("other", *row) for row in both("c", "B", "A")
    ]
    with connect(lake) as connection:
        columns = "judge_id, comparison_id, a_is, verdict"
        assert query(connection, f"select {columns} from verdicts order by all").rows() == first


def test_the_last_error_is_read_if_no_request_was_answered(tmp_path):
    lake = Lake(tmp_path)
    for error in ("no answer", "refused"):
        lake.append("judgments", judgments(("c", "first", None, error), ("c", "second", "B")))
    rows = select_verdicts(lake.scan("judgments")).collect()
    assert rows["error"].to_list() == ["refused", None]


def test_a_judge_is_recorded_once_with_its_last_bound(tmp_path):
    lake = Lake(tmp_path)
    for judge_id, bound in (("j", 0.1), ("k", 0.2), ("j", 0.3)):
        row = {"judge_id": judge_id, "max_unparsed_share": bound}
        record_judge(lake, pl.DataFrame([row], schema=schema_of("judges")))
    rows = lake.read("judges").select("judge_id", "max_unparsed_share").sort("judge_id").rows()
    assert rows == [("j", 0.3), ("k", 0.2)]
