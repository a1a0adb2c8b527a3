import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.preference_accuracy import as_rewards
from transforms.measures.reward_accuracy import reward_model_results


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
    chances = pl.DataFrame({"pair_id": ["3", "1", "2"], "preference_probability": [0.5, 0.9, 0.49]})
    results = reward_model_results(pairs, as_rewards(chances), model="pm", policy_id="id")
    assert dict(results.schema) == dict(schema_of("evaluation_results"))
    assert results["model"].unique().to_list() == ["pm"]
    assert dict(zip(results["metric"], results["value"], strict=True)) == {
        "pair_accuracy": 0.5,
        "longer_wins": 1.0,
    }
    with pytest.raises(InputError, match="at least one pair"):
        reward_model_results(pairs.clear(), as_rewards(chances), model="pm", policy_id="id")
