import polars as pl
import pytest

from bench.real.published_judgments import (
    PUBLISHED_MATCHES,
    PUBLISHED_RATINGS,
    decide_matches,
)
from transforms.benchmarks.judged.mt_bench import convert_questions, summarise_ratings
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


def test_a_missing_rating_counts_in_no_mean():
    ratings = pl.DataFrame(
        {
            "item": ["1", "1", "2", "2"],
            "subset": ["math", "math", "stem", "stem"],
            "turn": [1, 2, 1, 2],
            "rating": [4.0, 8.0, 10.0, None],
        }
    )
    found = summarise_ratings(ratings).select("subset", "metric", "value").rows()
    assert found == [
        ("all", "score", 8.0),
        ("all", "score_turn_1", 7.0),
        ("all", "score_turn_2", 8.0),
        ("math", "score", 6.0),
        ("stem", "score", 10.0),
    ]


def test_the_questions_of_three_categories_have_references(asked):
    assert asked.height == 80
    with_reference = asked.filter(pl.col("references").is_not_null())
    assert sorted(set(with_reference["subset"])) == ["coding", "math", "reasoning"]
    assert with_reference.height == 30


def test_a_missing_reference_is_refused(raw):
    other = [{"question_id": 1, "choices": [{"turns": ["a", "b"]}]}]
    with pytest.raises(InputError, match="the first question_id 101"):
        convert_questions(raw, pl.DataFrame(other, schema=PARTS["references"].native))
