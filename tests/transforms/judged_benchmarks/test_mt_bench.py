import polars as pl
import pytest

from transforms.errors import InputError
from transforms.files.public_sets import read_fitting
from transforms.judged_benchmarks.mt_bench import (
    PUBLISHED_MATCHES,
    PUBLISHED_RATINGS,
    match_outcomes,
    read_questions,
    summarise_ratings,
)
from transforms.judged_benchmarks.verdicts import read_verdict
from transforms.settings import OriginSettings


def published(file, native):
    return pl.concat(read_fitting("mt_bench", OriginSettings(files=(file,)), native))


@pytest.fixture
def questions(data):
    return read_questions(
        (data("mt_bench/question.jsonl"),), (data("mt_bench/reference_answer_gpt-4.jsonl"),)
    )


def test_published_ratings_have_the_published_means(data, questions):
    rows = published(data("mt_bench/judgment_phi-3-dpo_single.jsonl.gz"), PUBLISHED_RATINGS)
    # what the judge wrote is read as the ratings that the file gives
    read = [read_verdict(text, "rating") for text in rows["judgment"]]
    assert list(map(float, read)) == rows["score"].to_list()
    ratings = rows.select(
        "turn", item_id=pl.col("question_id").cast(pl.String), rating="score"
    ).join(questions.select("item_id", "category"), on="item_id")
    found = {row["metric"]: row for row in summarise_ratings(ratings).to_dicts()}
    assert found["score"]["value"] == pytest.approx(8.2, abs=1e-12)
    assert found["score_turn_1"]["value"] == pytest.approx(8.3625, abs=1e-12)
    assert found["score_turn_2"]["value"] == pytest.approx(8.0375, abs=1e-12)
    assert len(found) == 3 + 8
    assert found["score"]["low"] < 8.2 < found["score"]["high"]
    assert found["score_math"]["prompts"] == 10


def test_published_matches_are_decided_by_both_games(data):
    games = published(data("mt_bench/judgment_phi-3_vs_dpo_pair.jsonl.gz"), PUBLISHED_MATCHES)
    names = {"A": "model_1", "B": "model_2", "C": "tie", None: "error"}
    swapped = {**names, "A": "model_2", "B": "model_1"}
    for game, named in (("g1", names), ("g2", swapped)):
        read = [named[read_verdict(text, "three_way")] for text in games[f"{game}_judgment"]]
        assert read == games[f"{game}_winner"].to_list()
    outcomes = dict(match_outcomes(games)["outcome"].value_counts().iter_rows())
    # of 75: 18 inconsistent by place, 9 a tie in one order, 8 in both, 2 with an error
    assert outcomes == {"model_1": 18, "model_2": 20, "tie": 35, None: 2}


def test_a_missing_rating_counts_in_no_mean():
    ratings = pl.DataFrame(
        {
            "item_id": ["1", "1", "2", "2"],
            "category": ["math", "math", "stem", "stem"],
            "turn": [1, 2, 1, 2],
            "rating": [4.0, 8.0, 10.0, None],
        }
    )
    found = dict(summarise_ratings(ratings).select("metric", "value").iter_rows())
    assert found == {
        "score": 8.0,
        "score_turn_1": 7.0,
        "score_turn_2": 8.0,
        "score_math": 6.0,
        "score_stem": 10.0,
    }


def test_the_questions_of_three_categories_have_references(questions):
    assert questions.height == 80
    with_reference = questions.filter(pl.col("references").is_not_null())
    assert sorted(set(with_reference["category"])) == ["coding", "math", "reasoning"]
    assert with_reference.height == 30


def test_a_missing_reference_is_refused(data, tmp_path):
    other = tmp_path / "references.jsonl"
    other.write_text('{"question_id": 1, "choices": [{"index": 0, "turns": ["a", "b"]}]}\n')
    with pytest.raises(InputError, match="the first question_id 101"):
        read_questions((data("mt_bench/question.jsonl"),), (str(other),))
