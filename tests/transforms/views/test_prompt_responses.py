"""Two prompts of an iteration: `p1` has a pair, `q2` has equal rewards. Two rankers."""

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.prompt_responses import (
    describe_model,
    find_prompt,
    list_examples,
    read_slice_prompts,
)

SLICE = {"experiment": "e", "iteration": 1}
REWARDS = {"p1": (0.5, 2.5, -1.0), "q2": (1.0, 1.0, None)}


def record(lake: Lake, table: str, rows: list[dict]) -> None:
    lake.append(table, pl.DataFrame(rows, schema=schema_of(table)))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("study") / "lake")
    texts = {name: [{"role": "user", "content": f"say {name}"}] for name in REWARDS}
    record(lake, "prompts", [{"prompt_id": k, "prompt": v} for k, v in texts.items()])
    keys = [
        {**SLICE, "prompt_id": prompt, "response_index": index}
        for prompt in REWARDS
        for index in range(3)
    ]
    record(lake, "generations", [{**key, "response": "x", "policy_id": "a1b2"} for key in keys])
    scores = [
        {**key, "ranker": ranker, "reward": sign * reward}
        for key in keys
        for ranker, sign in (("other", -1), ("own", 1))
        if (reward := REWARDS[key["prompt_id"]][key["response_index"]]) is not None
    ]
    record(lake, "scores", scores)
    pair = {
        "prompt_id": "p1",
        "chosen_response_index": 1,
        "rejected_response_index": 2,
        "chosen_reward": 2.5,
        "rejected_reward": -1.0,
        "margin": 3.5,
    }
    record(lake, "dpo_pairs", [{**SLICE, **pair}])
    record(lake, "dropped_pairs", [{**SLICE, "prompt_id": "q2", "reason": "equal_reward"}])
    record(lake, "checkpoints", [{**SLICE, "asset": "iteration_1/policy", "checkpoint_id": "a1b2"}])
    return lake


def test_responses_are_sorted_by_the_reward_that_made_the_pairs(lake):
    found = find_prompt(read_slice_prompts(lake, "e/1"), "p")
    shown = found.responses.select("response_index", "reward", "ranker", "chosen", "rejected")
    assert shown.rows() == [
        (1, 2.5, "own", True, False),
        (0, 0.5, "own", False, False),
        (2, -1.0, "own", False, True),
    ]
    assert found.prompt == [{"role": "user", "content": "say p1"}]
    assert found.reason is None


def test_a_prompt_without_a_pair_has_its_reason_and_unscored_responses_are_last(lake):
    found = find_prompt(read_slice_prompts(lake, "e/1"), "q2")
    assert found.reason == "equal_reward"
    assert found.responses["reward"].to_list() == [1.0, 1.0, None]
    assert not found.responses["chosen"].any()


def test_examples_list_each_prompt_once(lake):
    shown = list_examples(read_slice_prompts(lake, "e/1"), 4)
    assert shown.select("prompt_id", "margin", "example").rows() == [
        ("p1", 3.5, "largest margin"),
        ("q2", None, "any"),
    ]


@pytest.mark.parametrize("name", ["f/1", "e/7", "e/", "e/x"])
def test_an_unknown_iteration_is_refused_with_names_like_it(lake, name):
    with pytest.raises(InputError, match="in the lake: e/1"):
        read_slice_prompts(lake, name)


@pytest.mark.parametrize(("digits", "found"), [("p9", "ids like it: p1"), ("", "they are p1, q2")])
def test_digits_that_select_no_single_prompt_are_refused(lake, digits, found):
    with pytest.raises(InputError, match=found):
        find_prompt(read_slice_prompts(lake, "e/1"), digits)


def test_a_model_is_described_by_its_asset(lake):
    assert describe_model(lake, "a1b2") == "e/1 a1b2"
    assert describe_model(lake, "ffff") == "ffff"
