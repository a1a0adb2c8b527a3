import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.measures.refreshed_accuracy import refreshed_accuracy


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
    found = refreshed_accuracy(
        rows, experiment="e", reward_model="r", reward_model_id="id", refreshes=2
    )
    assert found.select("iteration", "policy", "accuracy").rows() == [
        (0, "sft_policy", 1.0),
        (1, "iteration_1/policy", 0.0),
    ]
    assert found.select("reward_model", "refreshes", "prompts").unique().rows() == [("r", 2, 1)]


def test_without_different_gold_rewards_there_is_no_row():
    rows = responses("sft_policy", 0, (0, 1), (1, 1))
    found = refreshed_accuracy(
        rows, experiment="e", reward_model="r", reward_model_id="id", refreshes=0
    )
    assert found.columns == list(schema_of("reward_accuracy"))
    assert found.is_empty()


def test_a_tie_of_the_rewards_is_half_right():
    rows = responses("sft_policy", 0, (1, 0), (1, 1))
    found = refreshed_accuracy(
        rows, experiment="e", reward_model="r", reward_model_id="id", refreshes=0
    )
    assert found["accuracy"].item() == pytest.approx(0.5)
