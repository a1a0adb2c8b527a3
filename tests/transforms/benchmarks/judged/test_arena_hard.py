import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from transforms.benchmarks.judged.arena_hard import (
    STRONG,
    convert_answers,
    convert_questions,
    count_battles,
    estimate_win_rate,
)
from transforms.benchmarks.judged.verdicts import FIRST_SHARES
from transforms.errors import InputError
from transforms.measures.bootstrap import Resampling
from transforms.public_sets.registry import BENCHMARK_SETS

SCHEMA = {"item": pl.String, "model_is_first": pl.Boolean, "verdict": pl.String}


def games(**verdicts):
    """Two games a question: the model's answer shown second, then first."""
    return pl.DataFrame(
        [
            (item, shown_first, verdict)
            for item, pair in verdicts.items()
            for shown_first, verdict in zip((False, True), pair, strict=True)
        ],
        schema=SCHEMA,
        orient="row",
    )


def test_verdicts_count_for_the_model_in_both_orders():
    counted = count_battles(
        games(
            wins=("B>A", "A>B"),
            wins_clearly=("B>>A", "A>>B"),
            loses=("A>B", "B>A"),
            loses_clearly=("A>>B", "B>>A"),
            likes_the_first=("A>B", "A>B"),
            ties=("A=B", "A=B"),
            one_of_each=("B>>A", "B>A"),
        )
    )
    assert {row["item"]: (row["won"], row["battles"]) for row in counted.to_dicts()} == {
        "wins": (2, 2),
        "wins_clearly": (6, 6),
        "loses": (0, 2),
        "loses_clearly": (0, 6),
        "likes_the_first": (1, 2),
        "ties": (1, 2),
        "one_of_each": (3, 4),
    }
    assert estimate_win_rate(counted).value == pytest.approx(13 / 24)


def test_a_question_without_a_verdict_in_both_games_does_not_count():
    rows = games(whole=("B>A", "A>B"), half=("B>A", None))
    once = pl.concat([rows, games(once=("B>A", "A>B")).head(1)])
    assert count_battles(once)["item"].to_list() == ["whole"]
    twice = pl.concat([games(twice=("B>A", "A>B")).head(1)] * 2)
    assert count_battles(twice).is_empty()


def synthetic(strength: float, questions: int = 2_000, seed: int = 0) -> pl.DataFrame:
    """Games of a model whose log-odds of winning a battle are known; ties never, `>>` at random."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(questions):
        for shown_first in (False, True):
            model_wins = rng.random() < 1 / (1 + np.exp(-strength))
            winner, loser = ("A", "B") if model_wins == shown_first else ("B", "A")
            sign = ">>" if rng.random() < 0.3 else ">"
            rows.append((f"q{number}", shown_first, f"{winner}{sign}{loser}"))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


@pytest.mark.parametrize("strength", [-1.2, 0.0, 0.4])
def test_a_known_strength_is_found_within_its_interval(strength):
    estimate = estimate_win_rate(
        count_battles(synthetic(strength)), Resampling(draws=500, level=0.999)
    )
    expected = 1 / (1 + np.exp(-strength))
    assert estimate.value == pytest.approx(expected, abs=0.03)
    assert estimate.low < expected < estimate.high


def test_the_interval_is_that_of_its_seed():
    counted = count_battles(synthetic(0.4, questions=100))
    first, again, other = (
        estimate_win_rate(counted, Resampling(draws=200, seed=seed)) for seed in (3, 3, 4)
    )
    assert first == again
    assert (first.value, first.low) != (other.value, other.low)


def test_the_win_rate_is_that_of_a_bradley_terry_model():
    """Version 0.1's score: maximum likelihood over battles, a tie as one half of each."""
    rows = pl.concat([synthetic(0.4, questions=200), games(tie=("A=B", "A=B"))])
    shares, weights = [], []
    for _, shown_first, verdict in rows.iter_rows():
        share = FIRST_SHARES["five_way"][verdict]
        shares.append(share if shown_first else 1 - share)
        weights.append(STRONG if ">>" in verdict else 1)
    share, weight = np.array(shares), np.array(weights)
    model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10).fit(
        np.ones((2 * len(share), 1)),
        np.repeat([1, 0], len(share)),
        sample_weight=np.concatenate([share * weight, (1 - share) * weight]),
    )
    expected = 1 / (1 + np.exp(-model.coef_[0, 0]))
    assert estimate_win_rate(count_battles(rows)).value == pytest.approx(expected, abs=1e-6)


def test_the_files_of_both_versions_load_and_pair(published_rows):
    older, newer = (BENCHMARK_SETS[name].parts for name in ("arena_hard", "arena_hard_v2"))
    asked = convert_questions(
        published_rows("arena_hard/question_v0.1.jsonl", older["questions"].native)
    )
    assert asked.height == 500
    for model in ("gpt-4-0314", "gpt-3.5-turbo-0125"):
        file = f"arena_hard/model_answer_{model}.jsonl.gz"
        given = convert_answers(published_rows(file, older["baseline"].native))
        assert asked.join(given, on="item", validate="1:1").height == given.height == 500
    asked = convert_questions(
        published_rows("arena_hard/question_v2.0.jsonl.gz", newer["questions"].native)
    )
    counts = dict(asked["subset"].value_counts().iter_rows())
    assert counts == {"hard_prompt": 500, "creative_writing": 250}
    # a line separator of Unicode inside a question ends no line of the file
    assert asked["question"].str.contains("\u2028").sum() == 1


def test_an_answer_without_text_is_refused():
    rows = pl.DataFrame({"uid": ["a", "b"], "answer": ["yes", None]})
    with pytest.raises(InputError, match="1 rows, the first b"):
        convert_answers(rows)
