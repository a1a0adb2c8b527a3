import math

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.reward_accuracy import (
    ABOVE_CHANCE,
    ABOVE_LENGTH,
    describe_accuracy,
    find_warnings,
    measure_pair_accuracy,
    measure_refreshed_accuracy,
    measure_reward_model,
)
from transforms.pairs.responses import convert_to_pair_rewards


def test_pair_accuracy_counts_a_tie_as_half_and_clusters_by_prompt():
    rewards = pl.DataFrame(
        {
            "pair_id": ["1", "2", "3", "4"],
            "prompt_id": ["p", "p", "q", "r"],
            "chosen_reward": [2.0, 1.0, 0.0, 1.0],
            "rejected_reward": [1.0, 1.0, 1.0, 0.0],
        }
    )
    value, error, pairs = measure_pair_accuracy(rewards)
    assert (value, pairs) == (0.625, 4)
    # residual sums of the clusters: 0.25, -0.625, 0.375
    assert error == pytest.approx(math.sqrt((0.25**2 + 0.625**2 + 0.375**2) * 3 / 2) / 4)
    assert measure_pair_accuracy(rewards.filter(prompt_id="p"))[1] is None
    with pytest.raises(InputError, match="at least one pair"):
        measure_pair_accuracy(rewards.clear())


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
    found = measure_reward_model(
        pairs.drop("chosen_reward", "rejected_reward"), rewards, model="rm", policy_id="c"
    )
    assert found["metric"].to_list() == ["pair_accuracy", "longer_wins"]
    value, error, count = measure_pair_accuracy(pairs)
    first = found.row(0, named=True)
    assert (first["value"], first["standard_error"], first["prompts"]) == (value, error, count)
    assert first["low"] < value < first["high"]
    assert first["high"] - first["low"] == pytest.approx(3.92 * error, rel=0.3)


def test_length_alone_as_a_reward():
    def turns(*contents):
        return [[{"role": "assistant", "content": content}] for content in contents]

    pairs = pl.DataFrame(
        {"pair_id": ["1", "2"], "prompt_id": ["p", "q"],
         "chosen": turns("aa", "b"), "rejected": turns("a", "c")}
    )  # fmt: skip
    rewards = pairs.select("pair_id", chosen_reward=pl.lit(0.0), rejected_reward=pl.lit(0.0))
    found = measure_reward_model(pairs, rewards, model="rm", policy_id="c")
    assert found.filter(metric="longer_wins")["value"].item() == 0.75


def test_above_one_half_is_right_and_one_half_is_half():
    def turns(content):
        return [[{"role": "assistant", "content": content}]] * 3

    pairs = pl.DataFrame(
        {
            "pair_id": ["1", "2", "3"],
            "prompt_id": ["p", "q", "r"],
            "chosen": turns("aa"),
            "rejected": turns("a"),
        }
    )
    sides = [("3", 0.5, 0.5), ("1", 0.9, 0.1), ("2", 0.49, 0.51)]
    rows = [(pair, index, side[index]) for index in (1, 0) for pair, *side in sides]
    schema = {"prompt_id": pl.String, "response_index": pl.Int32, "reward": pl.Float64}
    chunks = [pl.DataFrame(rows[i::2], schema=schema, orient="row") for i in range(2)]
    results = measure_reward_model(
        pairs, convert_to_pair_rewards(pairs, chunks), model="pm", policy_id="id"
    )
    assert dict(results.schema) == dict(schema_of("evaluation_results"))
    assert results["model"].unique().to_list() == ["pm"]
    assert dict(zip(results["metric"], results["value"], strict=True)) == {
        "pair_accuracy": 0.5,
        "longer_wins": 1.0,
    }
    with pytest.raises(InputError, match="at least one pair"):
        measure_reward_model(
            pairs.clear(), convert_to_pair_rewards(pairs.clear(), []), model="pm", policy_id="id"
        )


def responses(model, iteration, *rewards):
    """Sampled responses to one prompt: reward, gold reward."""
    rows = [
        {
            "experiment": "e", "iteration": iteration, "model": model, "policy_id": model,
            "split": "evaluation", "decoding": "sampled", "prompt_id": "p", "response_index": index,
            "finish_reason": "stop", "reward": reward, "gold_reward": gold,
        }
        for index, (reward, gold) in enumerate(rewards)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=schema_of("evaluation_responses"))


def test_every_policy_has_its_own_accuracy():
    rows = pl.concat(
        [
            responses("iteration_1/policy", 1, (1, 0), (0, 1), (2, 0)),
            responses("sft_policy", 0, (0, 0), (1, 1)),
        ]
    )
    found = measure_refreshed_accuracy(
        rows, experiment="e", reward_model="r", reward_model_id="id", refreshes=2
    )
    assert found.select("iteration", "policy", "accuracy").rows() == [
        (0, "sft_policy", 1.0),
        (1, "iteration_1/policy", 0.0),
    ]
    assert found.select("reward_model", "refreshes", "prompts").unique().rows() == [("r", 2, 1)]


def test_without_different_gold_rewards_there_is_no_row():
    rows = responses("sft_policy", 0, (0, 1), (1, 1))
    found = measure_refreshed_accuracy(
        rows, experiment="e", reward_model="r", reward_model_id="id", refreshes=0
    )
    assert found.columns == list(schema_of("reward_accuracy"))
    assert found.is_empty()


def test_a_tie_of_the_rewards_is_half_right():
    rows = responses("sft_policy", 0, (1, 0), (1, 1))
    found = measure_refreshed_accuracy(
        rows, experiment="e", reward_model="r", reward_model_id="id", refreshes=0
    )
    assert found["accuracy"].item() == pytest.approx(0.5)


def results(accuracy, low, longer_wins, error=0.03):
    return pl.DataFrame(
        [
            {"metric": "pair_accuracy", "value": accuracy, "low": low, "standard_error": error,
             "prompts": 283},
            {"metric": "longer_wins", "value": longer_wins, "low": None, "standard_error": None,
             "prompts": 283},
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("accuracy", "low", "longer_wins", "warned"),
    [
        (0.495, 0.438, 0.48, [ABOVE_CHANCE, ABOVE_LENGTH]),  # SmolLM2-135M on 544 pairs
        (0.55, 0.5, 0.53, [ABOVE_CHANCE]),
        (0.62, 0.56, 0.65, [ABOVE_LENGTH]),
        (0.62, 0.56, 0.35, [ABOVE_LENGTH]),  # shorter responses are right in 0.65
        (0.83, 0.80, 0.51, []),
        (1.0, None, 0.5, [ABOVE_CHANCE]),  # one prompt has no interval
    ],
)
def test_a_model_that_orders_pairs_no_better_than_chance_or_length_is_warned_of(
    accuracy, low, longer_wins, warned
):
    assert list(find_warnings(results(accuracy, low, longer_wins))) == warned


def test_accuracy_as_text():
    assert describe_accuracy(results(0.495, 0.438, 0.5)) == (
        "accuracy 0.495 ± 0.030 on 283 held-out pairs"
    )
    assert (
        describe_accuracy(results(1.0, None, 0.5, None)) == "accuracy 1.000 on 283 held-out pairs"
    )
    by_length = find_warnings(results(0.62, 0.56, 0.35))[ABOVE_LENGTH]
    assert by_length == (
        "choosing the shorter response is right in 0.650 of the held-out pairs, the model in 0.620"
    )
