import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.headline import (
    count_verdicts,
    describe_contrasts,
    find_metric,
    note_better_iterations,
    tabulate_policies,
)


def result(
    experiment: str, iteration: int, model: str, metric: str, value: float, **further: object
) -> dict[str, object]:
    row = {"experiment": experiment, "iteration": iteration, "model": model, "metric": metric,
           "value": value, "standard_error": 0.25, "split": "evaluation",
           "decoding": "sampled"}  # fmt: skip
    return row | further


RESULTS = pl.DataFrame(
    [
        result("loop", 2, "iteration_2/policy", "gold_reward", 1.0),
        result("loop", 1, "iteration_1/policy", "gold_reward", 1.5),
        result("loop", 1, "iteration_1/policy", "reward", -2.0),
        result("loop", 1, "iteration_1/policy", "kl_to_initial", 0.5),
        result("loop", 1, "iteration_1/policy", "win_rate_gold", 0.75, versus="sft_policy"),
        result("loop", 1, "iteration_1/policy", "win_rate_gold", 0.5, versus="offline_dpo"),
        result("loop", 1, "iteration_1/policy", "gold_reward", 9.0, split="validation"),
        result("loop", 1, "iteration_1/policy", "gold_reward", 0.5, decoding="greedy"),
        result("loop", 2, "iteration_2/policy", "gold_reward", 0.75, decoding="greedy"),
        result("shared", 0, "offline_dpo", "gold_reward", 0.25),
        result("shared", 0, "sft_policy", "gold_reward", 0.0),
    ],
    schema_of("evaluation_results"),
)
SELECTED = pl.DataFrame(
    [{"experiment": "loop", "iteration": 2, "model": "iteration_2/policy"}],
    schema_of("selected_policies"),
)


def test_policies_are_in_the_order_of_the_loop_and_named_by_what_commands_accept() -> None:
    found = tabulate_policies(RESULTS, SELECTED)
    assert list(found) == ["sampled", "greedy"]
    assert found["sampled"].to_dicts()[:2] == [
        {"model": name, "gold_reward": value, "gold_reward_se": 0.25, "reward": None,
         "reward_se": None, "win_rate_gold": None, "win_rate_gold_se": None,
         "kl": None}
        for name, value in (("sft_policy", 0.0), ("offline_dpo", 0.25))
    ]  # fmt: skip
    rows = found["sampled"].select("model", "gold_reward", "reward", "win_rate_gold").rows()
    assert rows[2:] == [("loop/1", 1.5, -2.0, 0.75), ("loop/2 *", 1.0, None, None)]
    assert found["greedy"].columns == ["model", "gold_reward", "gold_reward_se"]


@pytest.mark.parametrize(
    ("metrics", "headline"),
    [
        (["reward", "win_rate_reward", "b", "win_rate_b", "gold_reward"], "gold_reward"),
        (["reward", "win_rate_reward", "b", "win_rate_b", "a", "win_rate_a"], "a"),
        (["reward", "win_rate_reward", "kl_to_initial", "response_chars"], "reward"),
    ],
)
def test_the_headline_is_what_the_loop_does_not_optimise(metrics: list[str], headline: str) -> None:
    assert find_metric(metrics) == headline


def contrast(decoding: str, versus: str, difference: float, error: float | None, **other: object):
    row = {"experiment": "loop", "decoding": decoding, "selected": "iteration_2",
           "metric": "gold_reward", "versus": versus, "difference": difference,
           "difference_se": error}  # fmt: skip
    return row | other


def test_losing_comparisons_are_said_like_winning_ones() -> None:
    found = describe_contrasts(
        pl.DataFrame(
            [
                contrast("greedy", "offline_dpo", -0.08, 0.01),
                contrast("greedy", "one_shot", -0.06, 0.02),
                contrast("greedy", "sft_policy", 0.42, 0.02),
                contrast("sampled", "one_shot", 0.08, 0.05),
                contrast("sampled", "offline_dpo", 0.17, 0.02),
                contrast("sampled", "sft_policy", 0.57, 0.02),
                contrast("sampled", "sft_policy", -9.0, 0.1, metric="reward"),
                contrast("sampled", "sft_policy", -9.0, 0.1, metric="response_chars"),
            ]
        )
    )
    assert found == [
        "Sampled: loop/2 is better than sft_policy (+0.570 ± 0.020) and offline_dpo "
        "(+0.170 ± 0.020); not clearly different from one_shot (+0.080 ± 0.050).",
        "Greedy: loop/2 is better than sft_policy (+0.420 ± 0.020); worse than offline_dpo "
        "(-0.080 ± 0.010) and one_shot (-0.060 ± 0.020).",
    ]


def test_verdicts_of_many_policies_are_counted() -> None:
    rows = [
        contrast("greedy", "sft_policy", 0.42, 0.02, experiment="a"),
        contrast("greedy", "sft_policy", 0.02, 0.02, experiment="b"),
        contrast("greedy", "sft_policy", 0.30, 0.02, experiment="c"),
        contrast("greedy", "one_shot", 0.30, 0.02, experiment="c"),
    ]
    assert count_verdicts(pl.DataFrame(rows)) == [
        "Greedy, 3 selected policies: better than sft_policy (2) and one_shot (1); not clearly "
        "different from sft_policy (1)."
    ]


def test_a_difference_without_an_error_is_not_judged() -> None:
    (found,) = describe_contrasts(pl.DataFrame([contrast("sampled", "sft_policy", 3.0, None)]))
    assert found == "Sampled: loop/2 is not judged (no standard error) against sft_policy (+3.000)."


def test_a_further_reward_is_compared_if_there_is_no_gold_reward() -> None:
    rows = [
        contrast("sampled", "sft_policy", 1.0, 0.1, metric="reward"),
        contrast("sampled", "sft_policy", -1.0, 0.1, metric="helpful"),
    ]
    (found,) = describe_contrasts(pl.DataFrame(rows))
    assert found == "Sampled: loop/2 is worse than sft_policy (-1.000 ± 0.100)."


def test_a_selected_policy_that_is_not_the_best_has_a_note() -> None:
    assert note_better_iterations(RESULTS, SELECTED) == [
        "Sampled: loop/1 has a higher gold_reward (1.500) than loop/2 (1.000), which the "
        "validation prompts selected."
    ]
