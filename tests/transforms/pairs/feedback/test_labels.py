import polars as pl

from transforms.lake.schemas import schema_of
from transforms.pairs.feedback.labels import (
    COLUMNS,
    combine_labels,
    make_gold_labels,
    make_judge_labels,
)
from transforms.pairs.feedback.refresh import choose_replay_pairs, make_labelled_pairs


def queue(*texts):
    rows = [
        {
            "pair_id": f"x{n}",
            "prompt_id": f"p{n}",
            "prompt": [{"role": "user", "content": "how long ?"}],
            "first": first,
            "second": second,
        }
        for n, (first, second) in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema_overrides={"prompt": schema_of("label_queue")["prompt"]})


def labels(*rows):
    return pl.DataFrame(rows, schema=["pair_id", "preferred"], orient="row")


def by_length(question: str, response: str) -> float:
    assert question == "how long ?"
    return float(len(response))


def test_gold_prefers_the_higher_and_ties_equals():
    found = make_gold_labels(queue(("aa", "b"), ("a", "bb"), ("a", "b")), by_length, "v1")
    assert found.columns == COLUMNS
    assert found["preferred"].to_list() == ["first", "second", "tie"]
    assert found["answer"][0] == "first 2.0000, second 1.0000"
    assert found.select("oracle", "oracle_id").unique().rows() == [("gold", "v1")]


def test_a_judge_is_believed_where_both_orders_agree():
    judgments = pl.DataFrame(
        [
            ("x0", "first", "A", "[[A]]"), ("x0", "second", "B", "[[B]]"),
            ("x1", "first", "A", "[[A]]"), ("x1", "second", "A", "[[A]]"),
            ("x2", "first", "B", "[[B]]"), ("x2", "second", "unparseable", "hm"),
            ("x3", "first", "B", "[[B]]"), ("x3", "second", "A", "[[A]]"),
        ],
        schema=["comparison_id", "a_is", "verdict", "raw_text"],
        orient="row",
    )  # fmt: skip
    found = make_judge_labels(queue(("a", "b"), ("c", "d"), ("e", "f"), ("g", "h")), judgments, "j")
    assert found["preferred"].to_list() == ["first", "tie", "undecided", "second"]
    assert found["answer"][2] == '{"first": "[[B]]", "second": "hm"}'
    assert found.select("oracle", "oracle_id").unique().rows() == [("judge", "j")]


def test_outcome_is_the_side_with_more_labels():
    found = combine_labels(
        labels(
            ("a", "first"), ("a", "first"), ("a", "second"),
            ("b", "first"), ("b", "second"),
            ("c", "tie"), ("c", "second"),
            ("d", "undecided"),
        )
    )  # fmt: skip
    assert found.rows() == [("a", "first"), ("b", "tie"), ("c", "second"), ("d", "tie")]


def test_labels_become_comparisons_and_ties_do_not():
    found = make_labelled_pairs(
        queue(("a", "b"), ("c", "d"), ("e", "f")),
        labels(("x0", "second"), ("x1", "tie"), ("x2", "first"), ("of another queue", "first")),
    )
    sides = [(row["chosen"][0], row["rejected"][0]) for row in found.iter_rows(named=True)]
    assert [(chosen["content"], rejected["content"]) for chosen, rejected in sides] == [
        ("b", "a"),
        ("e", "f"),
    ]
    assert {side["role"] for pair in sides for side in pair} == {"assistant"}


def test_replay_draws_others_with_another_seed():
    pairs = pl.DataFrame({"pair_id": [f"pair {n}" for n in range(300)]})
    first, second = (set(choose_replay_pairs(pairs, 60, seed)["pair_id"]) for seed in (1, 2))
    assert len(first) == len(second) == 60
    assert len(first & second) < 30
    assert choose_replay_pairs(pairs, 60, 1).equals(choose_replay_pairs(pairs.reverse(), 60, 1))
    assert choose_replay_pairs(pairs, 0, 1).is_empty()
    assert choose_replay_pairs(pairs, 500, 1).height == 300
