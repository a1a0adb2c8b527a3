import polars as pl
import pytest

from transforms.identity import FIELD, digest
from transforms.lake.schemas import schema_of
from transforms.measures.judged_responses import COLUMNS, compute_length_controlled_win_rates
from transforms.pairs.judgments import make_round_robin
from transforms.views.query import connect_frames, report

NOBODY = pl.DataFrame(
    schema=dict.fromkeys(("judge_id", "comparison_id", "a_is", "verdict"), pl.String)
)


def responses(model, texts, rewards=None, gold=None):
    rows = [
        {
            "model": model,
            "policy_id": f"{model}-id",
            "split": "evaluation",
            "decoding": "sampled",
            "prompt_id": f"p{number}",
            "response_index": 0,
            "response": text,
            "response_chars": len(text),
            "reward": float(rewards[number]) if rewards else float(len(text)),
            "gold_reward": float(gold[number]) if gold else None,
        }
        for number, text in enumerate(texts)
    ]
    return pl.DataFrame(rows, schema=schema_of("evaluation_responses"))


def verdict(prompt, one, other, winner):
    """Both orders of a judge that prefers a text."""
    first, second = sorted((one, other))
    return [
        ("j", digest(FIELD.join((prompt, first, second))), a_is,
         "tie" if winner is None else "A" if (winner == first) == (a_is == "first") else "B")
        for a_is in ("first", "second")
    ]  # fmt: skip


MINE = ["a" * n for n in (9, 8, 3, 6)]
THEIRS = ["b" * n for n in (5, 4, 7, 6)]


def test_a_reward_of_length_alone_leaves_less_at_equal_length():
    mine = responses("iteration_1/policy", [*MINE, *["a" * n for n in range(10, 50)]])
    theirs = responses("sft_policy", [*THEIRS, *["b" * n for n in range(30, 10, -1)] * 2])
    (row,) = compute_length_controlled_win_rates(mine, theirs, NOBODY).to_dicts()
    assert list(row) == list(COLUMNS)
    assert (row["judged_by"], row["versus"], row["pairs"]) == ("reward", "sft_policy", 44)
    assert row["length_coefficient"] < -3
    assert abs(row["length_controlled_win_rate"] - 0.5) < abs(row["win_rate"] - 0.5)
    assert row["standard_error"] > 0


def test_the_gold_reward_is_a_judge_where_there_is_one():
    mine = responses("m", MINE, gold=[1, 0, 1, 1])
    theirs = responses("s", THEIRS, gold=[0, 1, 1, 0])
    found = compute_length_controlled_win_rates(mine, theirs, NOBODY)
    rates = dict(found.select("judged_by", "win_rate").iter_rows())
    assert rates == {"reward": pytest.approx(0.625), "gold_reward": pytest.approx(0.625)}


def test_verdicts_of_a_judge_are_found_by_the_texts():
    mine, theirs = responses("m", MINE), responses("s", THEIRS)
    rows = [
        *verdict("p0", MINE[0], THEIRS[0], MINE[0]),
        *verdict("p1", MINE[1], THEIRS[1], THEIRS[1]),
        *verdict("p2", MINE[2], THEIRS[2], None),
        *verdict("p9", "x", "y", "x"),
    ]
    judged = pl.DataFrame(rows, schema=NOBODY.schema, orient="row")
    found = compute_length_controlled_win_rates(mine, theirs, judged).filter(judged_by="j")
    assert found.select("win_rate", "pairs", "prompts").rows() == [(0.5, 3, 3)]
    # seen from the other side, the rest of the whole
    turned = compute_length_controlled_win_rates(theirs, mine, judged.head(4)).filter(judged_by="j")
    assert turned.select("win_rate", "pairs").rows() == [(0.5, 2)]
    only = compute_length_controlled_win_rates(theirs, mine, judged.head(2)).filter(judged_by="j")
    assert only["win_rate"].item() == 0.0


def test_the_identity_of_a_pair_is_that_of_a_round_robin():
    met = pl.DataFrame(
        {
            "prompt_id": ["p0", "p0"],
            "response_index": [0, 1],
            "prompt": [[{"role": "user", "content": "q"}]] * 2,
            "response": [MINE[0], THEIRS[0]],
        }
    )
    expected = make_round_robin(met).comparisons["comparison_id"].item()
    assert verdict("p0", MINE[0], THEIRS[0], None)[0][1] == expected


def test_equal_texts_tie_where_the_judge_decided_others():
    mine, theirs = responses("m", ["same", "a"]), responses("s", ["same", "b"])
    judged = pl.DataFrame(verdict("p1", "a", "b", "a"), schema=NOBODY.schema, orient="row")
    (row,) = (
        compute_length_controlled_win_rates(mine, theirs, judged).filter(judged_by="j").to_dicts()
    )
    assert (row["win_rate"], row["pairs"]) == (0.75, 2)


def test_the_report_shows_the_evaluation_prompts():
    rows = compute_length_controlled_win_rates(responses("m", MINE), responses("s", THEIRS), NOBODY)
    schema = schema_of("length_controlled_win_rates")
    table = rows.with_columns(experiment=pl.lit("e"), iteration=pl.lit(1, pl.Int32))
    both = pl.concat([table, table.with_columns(split=pl.lit("validation"))])
    with connect_frames({"length_controlled_win_rates": both.select(list(schema))}) as connection:
        (row,) = report(connection, "length_control").to_dicts()
    assert (row["versus"], row["judged_by"]) == ("s", "reward")
    assert row["win_rate"] == rows["win_rate"].item()
