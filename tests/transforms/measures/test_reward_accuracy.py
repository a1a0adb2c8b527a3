import math

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.measures.reward_accuracy import (
    longer_wins,
    pair_accuracy,
    reward_model_results,
)


def test_pair_accuracy_counts_a_tie_as_half_and_clusters_by_prompt():
    rewards = pl.DataFrame(
        {
            "pair_id": ["1", "2", "3", "4"],
            "prompt_id": ["p", "p", "q", "r"],
            "chosen_reward": [2.0, 1.0, 0.0, 1.0],
            "rejected_reward": [1.0, 1.0, 1.0, 0.0],
        }
    )
    value, error, pairs = pair_accuracy(rewards)
    assert (value, pairs) == (0.625, 4)
    # residual sums of the clusters: 0.25, -0.625, 0.375
    assert error == pytest.approx(math.sqrt((0.25**2 + 0.625**2 + 0.375**2) * 3 / 2) / 4)
    assert math.isnan(pair_accuracy(rewards.filter(prompt_id="p"))[1])
    with pytest.raises(InputError, match="at least one pair"):
        pair_accuracy(rewards.clear())


def test_results_have_intervals_over_prompts():
    def turns(length):
        return [{"role": "assistant", "content": "x" * length}]

    pairs = pl.DataFrame(
        [
            {"pair_id": str(n), "prompt_id": f"p{n // 2}", "chosen": turns(n % 4),
             "rejected": turns(2), "chosen_reward": float(n % 3), "rejected_reward": 1.0}
            for n in range(24)
        ]
    )  # fmt: skip
    rewards = pairs.select("pair_id", "chosen_reward", "rejected_reward")
    found = reward_model_results(
        pairs.drop("chosen_reward", "rejected_reward"), rewards, model="rm", policy_id="c"
    )
    assert found["metric"].to_list() == ["pair_accuracy", "longer_wins"]
    value, error, count = pair_accuracy(pairs)
    first = found.row(0, named=True)
    assert (first["value"], first["standard_error"], first["prompts"]) == (value, error, count)
    assert first["low"] < value < first["high"]
    assert first["high"] - first["low"] == pytest.approx(3.92 * error, rel=0.3)


def test_length_alone_as_a_reward():
    def turns(*contents):
        return [[{"role": "assistant", "content": content}] for content in contents]

    pairs = pl.DataFrame(
        {"prompt_id": ["p", "q"], "chosen": turns("aa", "b"), "rejected": turns("a", "c")}
    )
    assert longer_wins(pairs)[0] == 0.75
