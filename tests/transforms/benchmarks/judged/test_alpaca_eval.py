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
    simulate_gamed_baselines,
)
from transforms.benchmarks.judged.alpaca_eval import (
    add_difficulties,
    compute_preference,
    convert_gamed_baselines,
    convert_instructions,
)
from transforms.errors import InputError
from transforms.measures.bootstrap import Resampling
from transforms.measures.length_control import estimate_win_rates
from transforms.public_sets.chat import DIFFICULTIES, OUTPUTS
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

# alpaca_eval 0.6.6's own regressions on these inputs, per cent: with the given difficulties
# (length_controlled_noreg), and also with the simulated gamed baselines (length_controlled_v1)
MODELS = {
    "FuseChat-Llama-3.1-8B-Instruct": (64.8230222467, 65.3002365762),
    "FuseChat-Llama-3.2-1B-Instruct": (25.5348210645, 25.0892500884),
    "gpt-3.5-turbo-1106": (20.9156154184, 19.2649342130),
    "alpaca-7b": (7.2111905615, 5.6893788224),
    "gemma-7b-it": (9.7507455554, 10.5202801410),
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


def test_both_refits_are_those_of_alpaca_eval(model, pairs, difficulties):
    pairs = add_difficulties(pairs, difficulties)
    gamed = simulate_gamed_baselines(difficulties["instruction_difficulty_estimate"])
    found = [estimate_win_rates(pairs, Resampling(draws=200), rows) for rows in (None, gamed)]
    assert [100 * rates.controlled.value for rates in found] == pytest.approx(
        MODELS[model], abs=1e-4
    )


def test_the_regularised_refit_is_near_the_leaderboard(model, pairs, difficulties, published):
    gamed = simulate_gamed_baselines(difficulties["instruction_difficulty_estimate"])
    rates = estimate_win_rates(add_difficulties(pairs, difficulties), Resampling(draws=200), gamed)
    found = 100 * rates.controlled.value
    assert found == pytest.approx(published["length_controlled_winrate"], abs=0.3)
    one_sided = model in ("gpt-3.5-turbo-1106", "alpaca-7b")
    assert (rates.note is not None) == one_sided


@pytest.mark.parametrize("number", ["index", ""])
def test_difficulties_may_have_alpaca_evals_own_columns(difficulties, number):
    instructions = pl.DataFrame({"instruction": ["a", "b", "c"]})
    raw = pl.DataFrame({number: [2, 0, 1, 0], "instruction_difficulty": [0.3, 0.1, 0.2, 0.1]})
    found = add_difficulties(instructions, raw)
    assert found.rows() == [("a", 0.1), ("b", 0.2), ("c", 0.3)]
    with pytest.raises(InputError, match="3 numbers for 2 instructions"):
        add_difficulties(instructions.head(2), raw)
    with pytest.raises(InputError, match="the columns instruction_difficulty"):
        add_difficulties(instructions, raw.drop(number))


def test_the_published_file_of_gamed_baselines_is_both_parts(tmp_path):
    file = tmp_path / "df_gamed.csv"
    lines = ["model,index,preference,std_delta_len,instruction_difficulty,not_gamed_baseline"]
    lines += [f"{model},{i},{p},{i - 1}.5,0.{i},False" for model in "vc" for i, p in ((0, 0.2),
              (1, 0.9), (2, ""))]  # fmt: skip
    file.write_text("\n".join(lines))
    origin = OriginSettings(files=(str(file),))
    gamed = convert_gamed_baselines(read_part("alpaca_eval", "gamed_baselines", origin))
    assert gamed.rows()[:2] == [("v", 0.2, -1.5, 0.0), ("v", 0.9, 0.5, 0.1)]
    assert gamed.height == 4  # without the rows that have no preference
    instructions = pl.DataFrame({"instruction": ["a", "b", "c"]})
    known = read_part("alpaca_eval", "difficulties", origin)
    assert add_difficulties(instructions, known)["difficulty"].to_list() == [0.0, 0.1, 0.2]
    file.write_text("\n".join([lines[0], "v,0,1.5,0.1,0.1,False"]))
    with pytest.raises(InputError, match="1 preferences outside"):
        convert_gamed_baselines(read_part("alpaca_eval", "gamed_baselines", origin))


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
