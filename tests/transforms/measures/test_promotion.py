import numpy as np
import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.bootstrap import Estimate
from transforms.measures.promotion import (
    compute_advantages,
    compute_decision_level,
    decide,
    estimate_advantage,
    measure_falls,
    pair_first_responses,
)

METRICS = {"gsm8k": "exact_match", "mmlu": "accuracy"}


def answers(*golds):
    """Two answers to each prompt."""
    rows = [
        {"prompt_id": f"p{p}", "response_index": i, "response": f"{p}{gold}", "gold_reward": gold,
         "reward": None if gold is None else -gold}
        for p, both in enumerate(golds)
        for i, gold in enumerate(both)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema_of("evaluation_responses"))


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("gold_reward", [1.0, -0.5]),
        ("reward", [-1.0, 0.5]),
        # prompt 0: 2 over 1 and 0, 1 over 0 and with 1; prompt 1: 0 with 0, thrice under
        ("win_rate_gold", [3.5 / 4 - 0.5, 1 / 4 - 0.5]),
        ("win_rate_reward", [0.5 - 3.5 / 4, 0.5 - 1 / 4]),
    ],
)
def test_an_advantage_is_paired_by_prompt(metric, values):
    challenger = answers((2.0, 1.0), (0.0, 0.0), (9.0, 9.0))
    current = answers((1.0, 0.0), (1.0, 0.0))
    rows = compute_advantages(challenger, current, metric)
    assert rows["prompt_id"].to_list() == ["p0", "p1"]
    assert rows["value"].to_list() == pytest.approx(values)


def test_a_policy_has_no_advantage_over_itself():
    same = answers((2.0, 1.0), (0.0, 5.0))
    for metric in ("gold_reward", "win_rate_gold"):
        assert compute_advantages(same, same, metric)["value"].to_list() == [0.0, 0.0]


def test_prompts_without_the_metric_cannot_be_compared():
    with pytest.raises(InputError, match="cannot be compared"):
        compute_advantages(answers((1.0, None)), answers((None, None)), "gold_reward")


def test_a_judge_is_not_asked_without_a_common_prompt():
    prompts = pl.DataFrame([{"prompt_id": "p0"}], schema=schema_of("prompts"))
    with pytest.raises(InputError, match="2 responses of the challenger, 0 of the current policy"):
        pair_first_responses(answers((1.0, 2.0)), answers(), prompts)


def test_a_judge_is_asked_about_the_first_responses():
    prompts = pl.DataFrame(
        [{"prompt_id": "p0", "prompt": [{"role": "user", "content": "q"}]}],
        schema_overrides={"prompt": schema_of("prompts")["prompt"]},
    )
    pairs = pair_first_responses(answers((2.0, 1.0), (3.0, 3.0)), answers((0.0, 1.0)), prompts)
    assert pairs.select("pair_id", "chosen", "rejected").rows() == [
        (
            "p0",
            [{"role": "assistant", "content": "02.0"}],
            [{"role": "assistant", "content": "00.0"}],
        )
    ]


def measured(policy, benchmark, value, metric=None, benchmark_id="b"):
    return {"policy_id": policy, "benchmark": benchmark, "value": value, "subset": "all",
            "metric": metric or METRICS[benchmark], "benchmark_id": benchmark_id}  # fmt: skip


def fallen(*rows, bounds=None):
    results = pl.DataFrame(rows, schema=schema_of("benchmark_results"))
    return measure_falls(results, bounds or {"gsm8k": 2.0}, METRICS, "new", "old")


def test_a_fall_is_of_one_metric_and_one_measurement():
    found = fallen(
        measured("new", "gsm8k", 48.0),
        measured("old", "gsm8k", 51.0),
        measured("new", "gsm8k", 0.0, metric="another"),
        measured("old", "gsm8k", 99.0, benchmark_id="other shots"),
        measured("third", "gsm8k", 99.0),
    )
    assert found.select("benchmark", "value", "current_value", "fall", "missing").rows() == [
        ("gsm8k", 48.0, 51.0, 3.0, None)
    ]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "has no result of the challenger nor of the current policy"),
        ([measured("new", "gsm8k", 1.0)], "has no result of the current policy"),
        (
            [measured("new", "gsm8k", None), measured("old", "gsm8k", 1.0)],
            "has no result of the challenger",
        ),
        (
            [measured("new", "gsm8k", 1.0), measured("old", "gsm8k", 1.0, benchmark_id="c")],
            "was measured with different settings for the two policies (benchmark_id)",
        ),
    ],
)
def test_what_is_not_measured_is_said(rows, reason):
    assert fallen(*rows)["missing"].to_list() == [reason]
    decision = decide("reward", 0.95, CLEAR, fallen(*rows))
    assert decision == (False, f"gsm8k {reason}")


def test_the_error_rates_of_all_decisions_add_up_to_one_level():
    rates = [1 - compute_decision_level(0.9, number) for number in range(1, 20_000)]
    assert rates == sorted(rates, reverse=True)
    assert sum(rates) == pytest.approx(0.1, rel=1e-4)
    assert sum(rates) < 0.1


def test_an_advantage_has_students_interval():
    rows = pl.DataFrame({"prompt_id": ["a", "b", "c", "d"], "value": [1.0, 2.0, 3.0, 6.0]})
    found = estimate_advantage(rows, 0.95)
    error = (14 / 3) ** 0.5 / 2
    low, high = 3 - 3.182446 * error, 3 + 3.182446 * error
    assert tuple(found) == pytest.approx((3.0, error, low, high, 4))
    assert estimate_advantage(rows.head(1), 0.95) == (1.0, None, None, None, 1)


def test_lakes_of_equal_policies_promote_as_rarely_as_the_level_says():
    """Ten experiments, each the best of three equal policies; nominal: 2.5 % of the lakes."""
    lakes, experiments, prompts = 200, 10, 60
    rng = np.random.default_rng(0)
    false_promotions = 0
    for _ in range(lakes):
        promoted = False
        for number in range(1, experiments + 1):
            validation, own = rng.standard_normal((2, 3, prompts))
            selected = own[validation.mean(axis=1).argmax()]
            rows = pl.DataFrame({"value": selected})
            estimate = estimate_advantage(rows, compute_decision_level(0.95, number))
            promoted |= decide("reward", 0.95, estimate, NO_BOUNDS).promoted
        false_promotions += promoted
    # 5 expected, standard deviation 2.2; by the validation prompts at 0.95 each, about 100
    assert false_promotions <= 14


CLEAR = Estimate(0.5, 0.1, 0.3, 0.7, 40)
UNCLEAR = Estimate(0.1, 0.1, -0.1, 0.3, 40)
NO_BOUNDS = fallen().clear()


def test_an_interval_above_zero_promotes():
    assert decide("gold_reward", 0.95, CLEAR, NO_BOUNDS) == (
        True,
        "gold_reward +0.5 [0.3, 0.7] at 0.95 on 40 prompts",
    )


@pytest.mark.parametrize("low", [-0.1, 0.0])
def test_an_interval_that_reaches_zero_blocks(low):
    decision = decide("win_rate_gold", 0.9, UNCLEAR._replace(low=low), NO_BOUNDS)
    assert not decision.promoted
    assert decision.reason == (
        f"win_rate_gold - 1/2 +0.1 [{low:g}, 0.3] at 0.9 on 40 prompts:"
        " the interval is not above zero"
    )


def test_one_prompt_blocks():
    assert decide("reward", 0.95, Estimate(1.0, None, None, None, 1), NO_BOUNDS) == (
        False,
        "reward +1 on 1 prompts: one prompt has no interval",
    )


def test_a_benchmark_may_fall_by_its_bound_and_no_further():
    rows = [measured("new", "gsm8k", 48.0), measured("old", "gsm8k", 50.0)]
    rows += [measured("new", "mmlu", 60.0), measured("old", "mmlu", 55.0)]
    allowed = decide("reward", 0.95, CLEAR, fallen(*rows, bounds={"gsm8k": 2.0, "mmlu": 0.0}))
    assert allowed.promoted
    assert "gsm8k falls by 2 to 48, 2 allowed; mmlu rises by 5 to 60, 0 allowed" in allowed.reason
    # every obstacle is named
    blocked = decide("reward", 0.95, UNCLEAR, fallen(*rows, bounds={"gsm8k": 1.5}))
    assert not blocked.promoted
    assert blocked.reason.endswith("not above zero; gsm8k falls by 2 to 48, more than 1.5")
