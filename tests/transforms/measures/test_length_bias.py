import math
import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.real.length_bias import (
    RUNAWAY_CHARS,
    SAMPLES,
    convert_to_log_odds,
    make_tables,
    penalise,
    read_samples,
    summarise_bias,
)
from transforms.errors import InputError
from transforms.lake.enforcement import enforce_schema
from transforms.lake.schemas import schema_of
from transforms.measures.length_bias import correlate, count_cells, estimate_slope
from transforms.pairs.length_penalty import calibrate_penalty
from transforms.views.plots.length_bias import render_length_bias
from transforms.views.query import connect_frames, report

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)
SLICE = {"experiment": "e", "iteration": 0}


def tables(prompts, **slice_):
    """Build generations, scores, prompt_splits from {prompt_id: [(chars, tokens, reward)]}."""
    rows = [
        {**SLICE, **slice_, "prompt_id": prompt_id, "response_index": index,
         "response_chars": chars, "response_tokens": tokens,
         "ranker": "reward_model", "ranker_id": "rm", "reward": reward}
        for prompt_id, texts in prompts.items()
        for index, (chars, tokens, reward) in enumerate(texts)
    ]  # fmt: skip
    splits = [{"prompt_id": prompt_id, "split": "length_study"} for prompt_id in prompts]
    named = {"generations": rows, "scores": rows, "prompt_splits": splits}
    return {
        name: pl.DataFrame(table, schema=schema_of(name), strict=True)
        for name, table in named.items()
    }


def responses_of(frames):
    return frames["generations"].join(
        frames["scores"], on=["experiment", "iteration", "prompt_id", "response_index"]
    )


MIXED = {
    "both": [(1, 5, 0.0), (2, 5, 1.0), (3, 5, 2.0)],
    "falls": [(10, 2, 1.0), (20, 4, 0.0), (30, 3, -1.0)],
    "flat": [(1, 1, 2.0), (9, 9, 2.0)],
    "one": [(4, 4, 1.0)],
    "same": [(6, 6, 1.0), (6, 6, 1.0)],
}


def test_a_row_for_each_prompt_and_unit_says_why_there_is_no_coefficient():
    rows = enforce_schema("reward_length_correlation", correlate(**tables(MIXED)))
    assert rows.filter(unit="chars").select(
        "prompt_id", "pearson", "status", "responses", "mean_length"
    ).rows() == [
        ("both", pytest.approx(1), "defined", 3, 2),
        ("falls", pytest.approx(-1), "defined", 3, 20),
        ("flat", None, "constant_reward", 2, 5),
        ("one", None, "one_response", 1, 4),
        ("same", None, "constant_reward", 2, 6),
    ]
    assert rows.filter(unit="tokens").select("pearson", "status").rows()[:2] == [
        (None, "constant_length"),
        (pytest.approx(-0.5), "defined"),
    ]
    assert rows["split"].unique().to_list() == ["length_study"]


def test_a_prompt_in_no_split_and_a_second_ranker_have_rows_of_their_own():
    frames = tables({"p": [(1, 1, 0.0), (2, 2, 1.0)]})
    judge = frames["scores"].with_columns(ranker_id=pl.lit("judge"), reward=-pl.col("reward"))
    frames["scores"] = pl.concat([frames["scores"], judge])
    frames["prompt_splits"] = frames["prompt_splits"].clear()
    rows = correlate(**frames).filter(unit="chars")
    assert rows.select("ranker_id", "split", "pearson").rows() == [
        ("judge", None, pytest.approx(-1)),
        ("rm", None, pytest.approx(1)),
    ]


def test_a_reward_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="the first nan for response 0 of prompt p"):
        correlate(**tables({"p": [(1, 1, math.nan)]}))


def summarise(frames):
    with connect_frames(frames) as connection:
        return report(connection, "length_bias")


def summary(frames, unit="chars"):
    kept = {"experiment", "iteration", "ranker", "ranker_id", "split"}
    row = summarise(frames).row(by_predicate=pl.col("unit") == unit, named=True)
    return {name: value for name, value in row.items() if name not in kept}


def test_the_summary():
    frames = tables(MIXED)
    found = summary(frames)
    assert found == {
        "unit": "chars", "prompts": 5, "defined": 2, "one_response": 1, "constant_reward": 2,
        "constant_length": 0, "mean_length": pytest.approx((2 + 20 + 5 + 4 + 6) / 5),
        "pearson": pytest.approx(0), "pearson_se": pytest.approx(1), "median": pytest.approx(0),
        "p05": pytest.approx(-0.9), "p25": pytest.approx(-0.5),
        "p75": pytest.approx(0.5), "p95": pytest.approx(0.9),
        "mean_length_se": pytest.approx((207.2 / 4) ** 0.5 / 5**0.5),
        # one prompt of each
        "longer_wins": 0.5, "longer_wins_se": 0.5,
        "longer_wins_all_pairs": 0.5, "longer_wins_all_pairs_se": 0.5,
        # Sxr / Sxx: (2 - 20 + 0) / (2 + 200 + 32)
        "calibrated_penalty": pytest.approx(-18 / 234),
        "calibrated_penalty_se": pytest.approx(
            estimate_slope(responses_of(frames), "chars").standard_error
        ),
    }  # fmt: skip


def test_a_slice_without_any_variation_is_summarised_by_nulls():
    frames = tables({"p": [(4, 4, 1.0)], "q": [(4, 4, 1.0)]})
    found = summary(frames)
    assert (found["one_response"], found["mean_length"]) == (2, 4)
    assert {name for name, value in found.items() if value is None} == {
        "pearson", "pearson_se", "p05", "p25", "median", "p75", "p95", "longer_wins",
        "longer_wins_se", "longer_wins_all_pairs", "longer_wins_all_pairs_se",
        "calibrated_penalty", "calibrated_penalty_se",
    }  # fmt: skip


def test_longer_wins():
    # p: best against worst 5 > 1; of all its pairs, the longer wins 2, loses 1. q: a tie of length
    frames = tables({"p": [(5, 1, 3.0), (9, 1, 2.0), (1, 1, 1.0)], "q": [(2, 1, 1.0), (2, 1, 0.0)]})
    assert summary(frames)["longer_wins"] == 0.75
    assert summary(frames)["longer_wins_all_pairs"] == 2.5 / 4
    assert summary(frames, "tokens")["longer_wins_all_pairs"] == 0.5


def test_longer_wins_of_equal_rewards():
    # the first of the best, the last of the worst, as the loop pairs them
    frames = tables({"p": [(1, 1, 2.0), (9, 9, 2.0), (7, 7, 0.0), (0, 0, 0.0)]})
    frames["scores"] = frames["scores"].sample(4, shuffle=True, seed=3)
    assert summary(frames)["longer_wins"] == 1
    assert summary(tables({"p": [(1, 1, 2.0), (9, 9, 2.0)]}))["longer_wins"] is None


def test_a_response_without_a_verdict_is_in_no_figure():
    scored = [(5, 1, 1.0), (1, 1, 0.0)]
    frames = tables({"p": [*scored, (9, 1, None)], "q": [(3, 1, 1.0), (7, 1, None)]})
    found = summary(frames)
    # 5 > 1 is best against worst; of q one response is left
    assert (found["longer_wins"], found["longer_wins_all_pairs"]) == (1, 1)
    assert (found["defined"], found["one_response"], found["mean_length"]) == (1, 1, 3)


def test_cells_of_the_heat_map():
    rows = correlate(**tables(MIXED))
    assert count_cells(rows).filter(unit="chars").rows() == [
        ("chars", -1.0, pytest.approx(-0.9), 20, 22, 1),
        ("chars", pytest.approx(0.9), 1.0, 2, 4, 1),
    ]
    assert count_cells(rows.clear()).is_empty()


def test_the_picture_needs_a_coefficient():
    rows = correlate(**tables(MIXED))
    assert render_length_bias(rows, "mixed").startswith(b"\x89PNG")
    with pytest.raises(InputError, match="nothing to plot"):
        render_length_bias(rows.filter(pl.col("status") != "defined"), "mixed")


def test_the_error_of_the_slope_by_hand():
    # Sxr, Sxx of p: 2, 2; of q: 0, 2. lambda = 1/2; u = 2 - 1, 0 - 1; se^2 = 2 / 1 * 2 / 16
    frames = tables({"p": [(9, 0, 0.0), (9, 2, 2.0)], "q": [(9, 0, 1.0), (9, 2, 1.0)]})
    assert estimate_slope(responses_of(frames), "tokens") == (
        pytest.approx(0.5),
        pytest.approx(math.sqrt(2 * 2 / 16)),
        2,
    )


def test_the_slope_of_one_prompt_has_no_error_and_one_length_no_slope():
    frames = tables({"p": [(1, 5, 0.0), (2, 5, 3.0), (4, 5, 1.0)]})
    found = estimate_slope(responses_of(frames), "chars")
    assert (found.standard_error, found.prompts) == (None, 1)
    assert estimate_slope(responses_of(frames), "tokens") is None


def test_a_reward_of_length_alone_has_a_slope_without_error():
    # the prompts' own levels have no part in it
    texts, levels = {"p": (10, 20, 50), "q": (1, 5), "r": (7, 7)}, {"p": 3.0, "q": -8.0, "r": 100.0}
    frames = tables({p: [(x, x, levels[p] + 0.25 * x) for x in xs] for p, xs in texts.items()})
    found = estimate_slope(responses_of(frames), "chars")
    assert found == (pytest.approx(0.25), pytest.approx(0, abs=1e-12), 2)


@settings(max_examples=25, deadline=None)
@given(st.deferred(lambda: prompts))
def test_a_penalty_leaves_the_error_of_the_slope(prompts):
    frames = tables(prompts)
    before = estimate_slope(responses_of(frames), "chars")
    assume(before is not None and before.prompts > 1)
    penalty = before.value * pl.col("response_chars")
    penalised = responses_of(frames).with_columns(reward=pl.col("reward") - penalty)
    after = estimate_slope(penalised, "chars")
    assert after.standard_error == pytest.approx(before.standard_error, abs=1e-10)


# rewards in quarters and few lengths: ties of both, exact in binary
texts = st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(-8, 8).map(lambda n: n / 4))
prompts = st.dictionaries(
    st.sampled_from("pqrst"), st.lists(texts, min_size=1, max_size=5), min_size=1
)


@settings(max_examples=25, deadline=None)
@given(prompts)
def test_coefficients_are_within_bounds_and_every_prompt_has_a_status(prompts):
    rows = correlate(**tables(prompts))
    assert rows.height == 2 * len(prompts)
    assert (rows["pearson"].is_not_null() == (rows["status"] == "defined")).all()
    assert rows["pearson"].drop_nulls().is_between(-1, 1).all()
    assert count_cells(rows)["prompts"].sum() == rows["pearson"].count()


@settings(max_examples=20, deadline=None)
@given(prompts)
def test_the_summary_agrees_with_the_rows_and_the_slope(prompts):
    frames = tables(prompts)
    rows = correlate(**frames)
    report_rows = summarise(frames)
    assert report_rows.select(*SLICE, "ranker", "split", "ranker_id").unique().rows() == [
        ("e", 0, "reward_model", "length_study", "rm")
    ]
    for found in report_rows.iter_rows(named=True):
        of_unit = rows.filter(unit=found["unit"])
        r = of_unit["pearson"].drop_nulls()
        assert (found["prompts"], found["defined"]) == (of_unit.height, len(r))
        assert found["pearson"] == pytest.approx(r.mean(), abs=1e-9)
        assert found["median"] == pytest.approx(r.median(), abs=1e-9)
        by_hand = r.std() / len(r) ** 0.5 if len(r) > 1 else None
        assert found["pearson_se"] == pytest.approx(by_hand, abs=1e-9)
        slope = estimate_slope(responses_of(frames), found["unit"])
        expected = (slope.value, slope.standard_error) if slope else (None, None)
        for value, by_polars in zip(
            (found["calibrated_penalty"], found["calibrated_penalty_se"]), expected, strict=True
        ):
            assert value == pytest.approx(by_polars, abs=1e-9)


def test_the_summary_has_a_row_for_each_slice_split_and_unit():
    study = tables({"p": [(1, 1, 0.0), (2, 2, 1.0)]}, experiment="length_study")
    loop = tables({"q": [(1, 1, 1.0), (2, 2, 0.0)]}, iteration=1)
    loop["prompt_splits"] = loop["prompt_splits"].with_columns(split=pl.lit("iteration_1"))
    found = summarise({name: pl.concat([study[name], loop[name]]) for name in study})
    assert found.select("experiment", "iteration", "split", "unit", "pearson").rows() == [
        ("e", 1, "iteration_1", "chars", pytest.approx(-1)),
        ("e", 1, "iteration_1", "tokens", pytest.approx(-1)),
        ("length_study", 0, "length_study", "chars", pytest.approx(1)),
        ("length_study", 0, "length_study", "tokens", pytest.approx(1)),
    ]


@pytest.mark.skipif(not (DATA / SAMPLES).is_file(), reason=f"PREFLOOP_TEST_DATA has no {SAMPLES}")
def test_gpt_4_prefers_the_longer_of_real_responses():
    samples = read_samples(DATA / SAMPLES)
    rows = correlate(**make_tables(samples))
    assert samples.height == 400 * 11
    found = summarise_bias(samples, "chars")
    assert (found["defined"], found["prompts"]) == (400, 400)
    assert found["pearson"] == pytest.approx(0.187, abs=5e-4)
    assert found["pearson_se"] == pytest.approx(0.018, abs=5e-4)
    assert found["longer_wins"] == pytest.approx(279.5 / 400)
    assert found["longer_wins_all_pairs"] == pytest.approx(0.577, abs=5e-4)
    assert count_cells(rows)["prompts"].sum() == 2 * 400
    # one response of 30,910 characters decides the penalty; without it, it is four times as high
    assert found["calibrated_penalty"] == pytest.approx(2.2e-5, abs=5e-7)
    usual = samples.filter(pl.col("response_chars") <= RUNAWAY_CHARS)
    assert usual.height == samples.height - 1
    assert calibrate_penalty(usual, "chars") == pytest.approx(9.6e-5, abs=5e-7)
    # probabilities near 0 and 1 vary less than the penalty, which then decides; log-odds do not
    assert summarise_bias(penalise(usual, "chars"), "chars")["longer_wins"] == pytest.approx(0.24)
    odds = convert_to_log_odds(usual)
    assert summarise_bias(odds, "chars")["longer_wins"] == pytest.approx(0.694, abs=5e-4)
    assert summarise_bias(penalise(odds, "chars"), "chars")["longer_wins"] == pytest.approx(0.5675)
