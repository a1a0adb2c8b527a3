import polars as pl
import pytest

from bench.real.published_judgments import (
    PUBLISHED_MATCHES,
    PUBLISHED_RATINGS,
    decide_matches,
)
from transforms.benchmarks.judged.mt_bench import (
    convert_questions,
    drop_invalid_ratings,
    summarise_ratings,
)
from transforms.benchmarks.judged.verdicts import read_verdict
from transforms.errors import InputError
from transforms.public_sets.chat import MT_BENCH

PARTS = MT_BENCH.parts


@pytest.fixture
def raw(published_rows):
    return published_rows("mt_bench/question.jsonl", PARTS["questions"].native)


@pytest.fixture
def asked(raw, published_rows):
    file = "mt_bench/reference_answer_gpt-4.jsonl"
    return convert_questions(raw, published_rows(file, PARTS["references"].native))


def test_published_ratings_have_the_published_means(published_rows, asked):
    rows = published_rows("mt_bench/judgment_phi-3-dpo_single.jsonl.gz", PUBLISHED_RATINGS)
    # what the judge wrote is read as the ratings that the file gives
    read = [read_verdict(text, "rating") for text in rows["judgment"]]
    assert list(map(float, read)) == rows["score"].to_list()
    ratings = rows.select("turn", item=pl.col("question_id").cast(pl.String), rating="score").join(
        asked.select("item", "subset"), on="item"
    )
    rows = summarise_ratings(ratings).to_dicts()
    found = {row["metric"]: row for row in rows if row["subset"] == "all"}
    assert found["score"]["value"] == pytest.approx(8.2, abs=1e-12)
    assert found["score_turn_1"]["value"] == pytest.approx(8.3625, abs=1e-12)
    assert found["score_turn_2"]["value"] == pytest.approx(8.0375, abs=1e-12)
    assert len(rows) == 3 + 8
    assert found["score"]["low"] < 8.2 < found["score"]["high"]
    (maths,) = (row for row in rows if row["subset"] == "math")
    assert (maths["value"], maths["prompts"]) == (pytest.approx(6.15), 10)


def test_published_matches_are_decided_by_both_games(published_rows):
    games = published_rows("mt_bench/judgment_phi-3_vs_dpo_pair.jsonl.gz", PUBLISHED_MATCHES)
    names = {"A": "model_1", "B": "model_2", "C": "tie", None: "error"}
    swapped = {**names, "A": "model_2", "B": "model_1"}
    for game, named in (("g1", names), ("g2", swapped)):
        read = [named[read_verdict(text, "three_way")] for text in games[f"{game}_judgment"]]
        assert read == games[f"{game}_winner"].to_list()
    outcomes = dict(decide_matches(games)["outcome"].value_counts().iter_rows())
    # of 75: 18 inconsistent by place, 9 a tie in one order, 8 in both, 2 with an error
    assert outcomes == {"model_1": 18, "model_2": 20, "tie": 35, None: 2}


def rated(*rows):
    """(item, turn, rating)."""
    frame = pl.DataFrame(rows, {"item": pl.String, "turn": pl.Int64, "rating": pl.Float64},
                         orient="row")  # fmt: skip
    return frame.with_columns(subset=pl.lit("math"))


def test_a_score_is_the_mean_of_the_ratings_that_exist():
    ratings = rated(("1", 1, 4.0), ("1", 2, 8.0), ("2", 1, 9.0), ("2", 2, None))
    found = summarise_ratings(ratings).select("subset", "metric", "value", "prompts").rows()
    assert found == [
        ("all", "score", 7.0, 2),  # by questions: (6 + 9) / 2
        ("all", "score_turn_1", 6.5, 2),
        ("all", "score_turn_2", 8.0, 1),
        ("math", "score", 7.0, 2),
    ]


def test_minus_one_is_no_rating_and_the_last_of_several_counts():
    written = rated(
        ("1", 1, 9.0), ("1", 2, -1.0), ("2", 1, 4.0), ("2", 2, 5.0), ("1", 1, 3.0), ("1", 1, None)
    )
    kept, dropped = drop_invalid_ratings(written)
    assert kept.select("item", "turn", "rating").rows() == [
        ("2", 1, 4.0),
        ("2", 2, 5.0),
        ("1", 1, 3.0),
    ]
    assert dropped.select("item", "rating", "reason").rows() == [
        ("1", -1.0, "not_1_to_10"),
        ("1", None, "no_rating"),
        ("1", 9.0, "rated_again"),
    ]
    assert summarise_ratings(written)["value"][0] == 4.0


def test_the_questions_of_three_categories_have_references(asked):
    assert asked.height == 80
    with_reference = asked.filter(pl.col("references").is_not_null())
    assert sorted(set(with_reference["subset"])) == ["coding", "math", "reasoning"]
    assert with_reference.height == 30


def test_a_missing_reference_is_refused(raw):
    other = [{"question_id": 1, "choices": [{"turns": ["a", "b"]}]}]
    with pytest.raises(InputError, match="the first question_id 101"):
        convert_questions(raw, pl.DataFrame(other, schema=PARTS["references"].native))
