import polars as pl
import pytest

from transforms.benchmarks.judged.figures import (
    measure_alpaca_eval,
    measure_arena_hard,
    measure_mt_bench,
)
from transforms.benchmarks.judged.noise import measure_noise
from transforms.benchmarks.judged.verdicts import average_preferences
from transforms.benchmarks.results import SUMMARY
from transforms.lake.schemas import schema_of
from transforms.measures.bootstrap import Resampling

QUICK = Resampling(draws=100)
SCHEMA = {
    name: schema_of("benchmark_verdicts")[name]
    for name in (
        "subset",
        "item",
        "turn",
        "shown_first",
        "repeat",
        "verdict",
        "rating",
        "share",
        "is_weighted",
    )
}


def games(*rows, subset="s", repeat=0, weighted=False):
    """(item, verdict with the model first, with the baseline first, shares of the model)."""
    return pl.DataFrame(
        [
            (subset, item, 1, side, repeat, verdict, None, share, weighted)
            for item, verdicts, shares in rows
            for side, verdict, share in zip(("model", "baseline"), verdicts, shares, strict=True)
        ],
        schema=SCHEMA,
        orient="row",
    )


def ratings(*rows, repeat=0):
    return pl.DataFrame(
        [
            (subset, item, turn, None, repeat, str(rating), rating, None, None)
            for subset, item, turn, rating in rows
        ],
        schema=SCHEMA,
        orient="row",
    )


def values(figures, subset="all"):
    assert dict(figures.schema) == SUMMARY
    rows = figures.filter(subset=subset)
    assert not rows["metric"].is_duplicated().any()
    return {row["metric"]: row for row in rows.to_dicts()}


WON, LOST, SPLIT = (1.0, 1.0), (0.0, 0.0), (1.0, 0.0)


def lengths(*items, subset="s"):
    return pl.DataFrame(
        [(item, subset, model, baseline) for item, model, baseline in items],
        schema={"item": pl.String, "subset": pl.String}
        | dict.fromkeys(("response_chars", "baseline_chars"), pl.Int64),
        orient="row",
    )


def test_a_preference_needs_both_orders():
    rows = games(
        ("both", "mM", (0.9, 0.7)),
        ("turned", "mm", (0.9, 0.3)),
        ("half", "m-", (0.9, None)),
    )
    rows = pl.concat([rows, games(("once", "mM", (1.0, 1.0))).head(1)])
    assert average_preferences(rows).rows() == [
        ("both", pytest.approx(0.8), True),
        ("turned", pytest.approx(0.6), False),
    ]


def test_a_verdict_that_is_there_twice_counts_once():
    rows = games(("a", "mM", (0.9, 0.6)), ("b", "Mm", LOST))
    items = lengths(("a", 9, 5), ("b", 5, 9))
    doubled = pl.concat([games(("a", "M-", (0.1, None))), rows])
    for figures in (measure_alpaca_eval, measure_arena_hard):
        once, twice = (values(figures(one, items, QUICK)) for one in (rows, doubled))
        assert once.get("win_rate") == twice.get("win_rate")
    battles = games(("a", ("A>>B", "B>A"), WON), ("b", ("B>A", "A>B"), LOST))
    twice = measure_arena_hard(pl.concat([battles, battles]), items, QUICK)
    assert values(twice)["win_rate"]["value"] == pytest.approx(100 * 4 / 6)


def test_alpaca_eval_has_the_figures_of_its_leaderboard():
    verdicts = games(
        ("a", "mM", WON),
        ("b", "mM", WON),
        ("c", "Mm", LOST),
        ("d", "mm", SPLIT),
        ("e", "--", (None, None)),
    )
    items = lengths(("a", 9, 5), ("b", 8, 5), ("c", 3, 5), ("d", 7, 5), ("e", 5, 5))
    found = values(measure_alpaca_eval(verdicts, items, QUICK))
    assert found["win_rate"]["value"] == 62.5
    assert found["discrete_win_rate"]["value"] == 62.5
    assert (found["win_rate"]["items"], found["win_rate"]["unscored_items"]) == (4, 1)
    assert found["order_flips"]["value"] == 25.0
    assert found["weighted_share"]["value"] == 0.0
    assert found["longer_share"]["value"] == 70.0
    assert found["response_chars"]["value"] == pytest.approx(6.4)
    # length goes with winning here, so that less is left at equal length
    assert found["length_controlled_win_rate"]["value"] < 62.5
    assert "judge_flips" not in found
    for row in found.values():
        assert row["items"] + row["unscored_items"] == 5


def test_weighted_shares_count_as_they_are():
    verdicts = games(("a", "mM", (0.9, 0.8)), ("b", "MM", (0.3, 0.6)), weighted=True)
    found = values(measure_alpaca_eval(verdicts, lengths(("a", 5, 5), ("b", 5, 5)), QUICK))
    assert found["win_rate"]["value"] == pytest.approx(65.0)
    assert found["discrete_win_rate"]["value"] == 50.0
    assert found["weighted_share"]["value"] == 100.0


def test_a_benchmark_without_a_usable_verdict_says_so():
    verdicts = games(("a", "--", (None, None)))
    for figures in (measure_alpaca_eval, measure_arena_hard):
        row = values(figures(verdicts, lengths(("a", 5, 5)), QUICK))["win_rate"]
        assert (row["value"], row["items"], row["unscored_items"]) == (None, 0, 1)
    silent = ratings(("math", "1", 1, None), ("math", "1", 2, None))
    items = pl.DataFrame({"item": ["1"], "subset": ["math"]})
    row = values(measure_mt_bench(silent, items, QUICK))["score"]
    assert (row["value"], row["items"], row["unscored_items"]) == (None, 0, 1)


def test_arena_hard_counts_battles_of_all_and_of_each_subset():
    verdicts = pl.concat(
        [
            games(("a", ("A>>B", "B>A"), WON), ("b", ("B>A", "A>B"), LOST), subset="hard"),
            games(("c", ("A=B", "A=B"), (0.5, 0.5)), subset="creative"),
        ]
    )
    items = pl.concat(
        [
            lengths(("a", 9, 5), ("b", 3, 5), subset="hard"),
            lengths(("c", 6, 5), subset="creative"),
        ]
    )
    figures = measure_arena_hard(verdicts, items, QUICK)
    assert values(figures)["win_rate"]["value"] == pytest.approx(100 * 5 / 8)
    assert values(figures, "hard")["win_rate"]["value"] == pytest.approx(100 * 4 / 6)
    assert values(figures, "creative")["win_rate"]["value"] == 50.0
    assert values(figures, "creative")["win_rate"]["standard_error"] is None
    assert "length_controlled_win_rate" in values(figures)


def test_mt_bench_has_turns_and_categories():
    verdicts = pl.concat(
        [
            ratings(
                ("math", "1", 1, 4.0),
                ("math", "1", 2, 8.0),
                ("stem", "2", 1, 10.0),
                ("stem", "2", 2, 6.0),
            ),
            ratings(("math", "1", 1, 6.0), ("math", "1", 2, 8.0), repeat=1),
        ]
    )
    items = pl.DataFrame({"item": ["1", "2"], "subset": ["math", "stem"]})
    figures = measure_mt_bench(verdicts, items, QUICK)
    found = values(figures)
    # repeats are in no score
    assert [found[name]["value"] for name in ("score", "score_turn_1", "score_turn_2")] == [7, 7, 7]
    assert values(figures, "math")["score"]["value"] == 6.0
    assert found["judge_flips"]["value"] == 50.0
    assert found["judge_sd"]["value"] == pytest.approx((((4 - 5) ** 2 + (6 - 5) ** 2) / 2) ** 0.5)
    assert (found["judge_sd"]["items"], found["judge_sd"]["unscored_items"]) == (1, 1)


def test_noise_is_that_of_repeats():
    first = games(("a", "mM", WON), ("b", "mM", WON), ("c", "mM", WON))
    again = games(("a", "mM", (1.0, 0.0)), ("b", "mM", WON), repeat=1)
    third = games(("a", "mM", (1.0, 0.0)), ("b", "m-", (1.0, None)), repeat=2)
    found = measure_noise(pl.concat([first, again, third]), QUICK)
    # of a's four repeats two turned round, of b's three none; items count alike
    assert found["judge_flips"].value == pytest.approx((0.5 + 0.0) / 2)
    variance = 1 / 3  # of 1, 0, 0
    assert found["judge_sd"].value == pytest.approx((variance / 2 / 2) ** 0.5)
    assert found["judge_flips"].prompts == 2
    assert measure_noise(first, QUICK) == {}


def test_a_weighted_share_that_moves_flips_only_across_one_half():
    first = games(("a", "mm", (0.9, 0.6)), weighted=True)
    again = games(("a", "mm", (0.7, 0.4)), repeat=1, weighted=True)
    assert measure_noise(pl.concat([first, again]), QUICK)["judge_flips"].value == 0.5


def test_a_judge_that_repeats_itself_has_no_noise():
    first = games(("a", "mM", WON), ("b", "mM", LOST))
    again = games(("a", "mM", WON), ("b", "mM", LOST), repeat=1)
    found = measure_noise(pl.concat([first, again]), QUICK)
    assert (found["judge_flips"].value, found["judge_sd"].value) == (0.0, 0.0)
    assert found["judge_sd"].standard_error == 0.0
