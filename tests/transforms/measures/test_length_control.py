import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import InputError
from transforms.measures.bootstrap import Resampling
from transforms.measures.length_control import LengthControl, estimate_win_rates, fit

QUICK = Resampling(draws=200)


def judged(prompts=400, *, length=-1.5, quality=0.5, difficulty=None, seed=0):
    """Pairs of a judge that likes length by a known amount; lengths lean to the model's side."""
    rng = np.random.default_rng(seed)
    response, baseline = rng.integers(200, 2_000, prompts), rng.integers(100, 1_500, prompts)
    difference = (baseline - response) / (baseline - response).std(ddof=1)
    log_odds = length * np.tanh(difference) + quality
    columns = {
        "prompt_id": [f"p{i}" for i in range(prompts)],
        "response_chars": response,
        "baseline_chars": baseline,
    }
    if difficulty is not None:
        columns["difficulty"] = rng.normal(size=prompts)
        log_odds = log_odds + difficulty * columns["difficulty"]
    return pl.DataFrame({**columns, "preference": 1 / (1 + np.exp(-log_odds))})


def test_the_coefficients_of_a_known_judge_are_found():
    found = fit(judged(difficulty=0.7))
    assert found.length == pytest.approx(-1.5, abs=0.02)
    assert found.difficulty == pytest.approx(0.7, abs=0.02)
    assert found.quality == pytest.approx(0.5, abs=0.02)


def test_a_judge_of_length_alone_leaves_one_half():
    rates = estimate_win_rates(judged(length=-2.0, quality=0.0), QUICK)
    assert rates.raw.value > 0.6
    assert rates.controlled.value == pytest.approx(0.5, abs=0.01)
    assert rates.longer_share > 0.6


def test_without_difference_of_length_nothing_is_controlled():
    pairs = judged(length=0.0).with_columns(baseline_chars="response_chars")
    rates = estimate_win_rates(pairs, QUICK)
    assert rates.control.length == 0.0
    assert rates.controlled.value == pytest.approx(rates.raw.value, abs=0.005)


def test_a_constant_difference_of_length_cannot_be_told_from_quality():
    pairs = judged().with_columns(baseline_chars=pl.col("response_chars") - 10)
    rates = estimate_win_rates(pairs, QUICK)
    assert rates.controlled is None
    assert rates.raw.value > 0.5


def test_one_prompt_has_a_raw_rate_only():
    rates = estimate_win_rates(judged().head(1), QUICK)
    assert (rates.controlled, rates.raw.prompts, rates.raw.standard_error) == (None, 1, None)


@pytest.mark.parametrize("preference", [0.0, 1.0])
def test_a_side_that_always_wins_wins_at_equal_length(preference):
    """Liblinear turns the sign round where an outcome has no weight at all."""
    pairs = judged(60).with_columns(preference=pl.lit(preference))
    assert estimate_win_rates(pairs, QUICK).controlled.value == pytest.approx(preference, abs=0.05)


def maximum_likelihood(design, won):
    """Logistic regression by Newton's method; no penalty."""
    coefficients = np.zeros(design.shape[1])
    for _ in range(12):
        fitted = 1 / (1 + np.exp(-design @ coefficients))
        information = design.T @ (design * (fitted * (1 - fitted))[:, None])
        coefficients += np.linalg.solve(information, design.T @ (won - fitted))
    return coefficients


def test_errors_are_those_of_refits_on_drawn_prompts():
    """The linear error against the regression itself, fitted again on 200 draws of prompts."""
    rng = np.random.default_rng(1)
    single = judged(300, difficulty=0.7)
    noisy = single.with_columns(
        preference=pl.Series(rng.binomial(1, single["preference"]).astype(float))
    )
    # two judged pairs a prompt that agree: as rows they would look twice as certain
    pairs = pl.concat([noisy, noisy])
    estimate = estimate_win_rates(pairs, Resampling(draws=1_000)).controlled
    assert estimate.prompts == 300

    difference = (noisy["baseline_chars"] - noisy["response_chars"]).cast(float)
    columns = [(difference / difference.std()).tanh(), noisy["difficulty"], np.ones(300)]
    design, won = np.column_stack(columns), noisy["preference"].to_numpy()
    drawn = []
    for _ in range(200):
        taken = rng.integers(0, 300, 300)
        control = LengthControl(*maximum_likelihood(design[taken], won[taken]))
        drawn.append(control.predict_at_equal_length(design[taken, 1]).mean())
    assert estimate.standard_error == pytest.approx(np.std(drawn), rel=0.25)


@pytest.mark.parametrize(("longer", "noted"), [(0, True), (9, True), (11, False), (95, True)])
def test_a_rate_of_one_sided_lengths_is_noted(longer, noted):
    sides = ["response_chars", "baseline_chars"]
    short, long = (pl.Series(range(first, first + 100)) for first in (100, 900))
    which = pl.Series(range(100)) < longer
    pairs = judged(100).with_columns(
        pl.when(which).then(long).otherwise(short).alias(sides[0]),
        pl.when(which).then(short).otherwise(2 * long).alias(sides[1]),
    )
    rates = estimate_win_rates(pairs, QUICK)
    expected = f"extrapolated: {longer} % longer than the baseline's"
    assert rates.note == (expected if noted else None)
    assert estimate_win_rates(pairs.head(1), QUICK).note is None  # there is no rate


def test_gamed_baselines_hold_the_coefficient_of_length():
    """A model whose responses are nearly always shorter: length looks like quality."""
    rng = np.random.default_rng(3)
    shorter = rng.normal(1_500, 500, 100).astype(int)
    log_odds = 0.5 - 1.5 * np.tanh(shorter / shorter.std(ddof=1)) + rng.normal(0, 1, 100)
    pairs = pl.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(100)],
            "response_chars": 4_000 - shorter,
            "baseline_chars": [4_000] * 100,
            "preference": 1 / (1 + np.exp(-log_odds)),
        }
    )
    difference = rng.normal(0, 1, 400)
    gamed = pl.DataFrame(
        {
            "model": ["verbose", "concise"] * 200,
            "length_difference": difference,
            "difficulty": np.zeros(400),
            "preference": 1 / (1 + np.exp(1.5 * np.tanh(difference))),
        }
    )
    free, held = (estimate_win_rates(pairs, QUICK, rows) for rows in (None, gamed))
    assert abs(held.control.length + 1.5) < 0.3 < abs(free.control.length + 1.5)
    assert abs(held.control.quality - 0.5) < abs(free.control.quality - 0.5)
    assert held.controlled.standard_error < free.controlled.standard_error


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 10_000), st.floats(-1, 1))
def test_swapping_the_sides_turns_the_rates_round(seed, quality):
    pairs = judged(40, quality=quality, seed=seed)
    swapped = pairs.with_columns(
        preference=1 - pl.col("preference"),
        response_chars="baseline_chars",
        baseline_chars="response_chars",
    )
    ours, theirs = estimate_win_rates(pairs, QUICK), estimate_win_rates(swapped, QUICK)
    assert ours.raw.value + theirs.raw.value == pytest.approx(1)
    assert ours.controlled.value + theirs.controlled.value == pytest.approx(1, abs=0.01)
    assert ours.longer_share + theirs.longer_share == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"preference": pl.lit(None, pl.Float64)}, r"nulls: \{'preference': 400\}"),
        ({"preference": pl.lit(1.2)}, "400 preferences outside"),
        ({"difficulty": pl.lit(None, pl.Float64)}, r"'difficulty': 400"),
    ],
)
def test_pairs_without_a_verdict_are_refused(change, found):
    with pytest.raises(InputError, match=found):
        estimate_win_rates(judged().with_columns(**change), QUICK)


def test_no_pairs_are_refused():
    with pytest.raises(InputError, match="0 pairs"):
        estimate_win_rates(judged().clear(), QUICK)
