import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.real.published_judgments import (
    ANNOTATIONS,
    COEFFICIENTS,
    convert_annotations,
    count_wins,
    read_length_control,
)
from transforms.benchmarks.judged.alpaca_eval import (
    add_difficulties,
    compute_preference,
    convert_instructions,
)
from transforms.errors import InputError
from transforms.measures.bootstrap import Resampling
from transforms.measures.length_control import estimate_win_rates
from transforms.public_sets.chat import DIFFICULTIES, OUTPUTS

# name, and the refit on the given difficulties with its L1 penalty, per cent: alpaca_eval 0.6.6's
# own regression (length_controlled_noreg) gives the same on these inputs
MODELS = {
    "FuseChat-Llama-3.1-8B-Instruct": 64.8230222467,
    "FuseChat-Llama-3.2-1B-Instruct": 25.5348210645,
    "gpt-3.5-turbo-1106": 20.9156154184,
    "alpaca-7b": 7.2111905615,
    "gemma-7b-it": 9.7507455554,
}


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture
def pairs(published_rows, model):
    file = f"alpaca_eval/{model}/annotations.json.gz"
    return convert_annotations(published_rows(file, ANNOTATIONS))


@pytest.fixture
def difficulties(published_rows):
    return published_rows("alpaca_eval/instruction_difficulty_estimated.csv", DIFFICULTIES)


@pytest.fixture
def published(data, model):
    rows = pl.read_csv(data("alpaca_eval/leaderboard_rows.csv"))
    return rows.row(by_predicate=pl.col("") == model, named=True)


def test_win_rates_are_those_of_the_leaderboard(pairs, published):
    found = count_wins(pairs["preference"])
    for figure in ("win_rate", "standard_error", "discrete_win_rate"):
        assert found[figure] == pytest.approx(published[figure], abs=1e-6)
    for count in ("n_wins", "n_wins_base", "n_draws", "n_total"):
        assert found[count] == published[count]
    assert int(pairs["response_chars"].mean()) == published["avg_length"]


def test_published_coefficients_give_the_published_length_controlled_win_rate(
    published_rows, model, pairs, difficulties, published
):
    coefficients = published_rows("alpaca_eval/glm_weights.csv", COEFFICIENTS)
    control = read_length_control(coefficients, model)
    difficulty = add_difficulties(pairs, difficulties)["difficulty"].to_numpy()
    found = 100 * control.predict_at_equal_length(difficulty).mean()
    assert found == pytest.approx(published["length_controlled_winrate"], abs=0.3)


def test_the_plain_refit_is_that_of_alpaca_eval(model, pairs, difficulties):
    rates = estimate_win_rates(add_difficulties(pairs, difficulties), Resampling(draws=200))
    assert 100 * rates.controlled.value == pytest.approx(MODELS[model], abs=1e-4)


def test_outputs_and_annotations_are_of_the_same_instructions(published_rows, pairs):
    file = "alpaca_eval/baseline_gpt4_1106_preview_outputs.json.gz"
    baseline = convert_instructions(published_rows(file, OUTPUTS))
    assert baseline.height == 805
    assert baseline["item"].to_list() == pairs["prompt_id"].to_list()
    assert baseline["baseline"].str.len_chars().to_list() == pairs["baseline_chars"].to_list()


def test_an_instruction_that_comes_twice_is_refused():
    twice = pl.DataFrame(
        [("a", "b", "m", "f:1"), ("a", "c", "m", "f:2")], [*OUTPUTS, "row_key"], orient="row"
    )
    with pytest.raises(InputError, match=r"2 instructions repeated or without text, .* in f:1"):
        convert_instructions(twice)


def test_difficulties_of_other_instructions_are_refused(difficulties):
    other = pl.DataFrame({"instruction": ["Say something that no set has."]})
    with pytest.raises(InputError, match="none for 1 of 1"):
        add_difficulties(other, difficulties)


@given(st.floats(-20, 0), st.floats(-20, 0))
def test_a_preference_is_the_share_of_the_two_tokens(first, second):
    share = compute_preference({"m": first, "M": second, "The": -1.0}, "m", "M")
    assert share == pytest.approx(1 / (1 + math.exp(second - first)))
    assert share + compute_preference({"m": first, "M": second}, "M", "m") == pytest.approx(1)


def test_a_token_that_is_not_there_has_no_chance():
    assert compute_preference({"m": -0.1, "x": -3.0}, "m", "M") == 1.0
    assert compute_preference(
        {"m": math.log(0.3), " m": math.log(0.3), "M": math.log(0.2)}, "m", "M"
    ) == pytest.approx(0.75)
    assert compute_preference({"Both": -0.1}, "m", "M") is None


@pytest.mark.parametrize("values", [[], [0.5, None], [1.5]])
def test_what_is_no_preference_is_refused(values):
    with pytest.raises(InputError, match="wins cannot be counted"):
        count_wins(pl.Series(values, dtype=pl.Float64))
