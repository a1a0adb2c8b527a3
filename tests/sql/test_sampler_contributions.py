"""Which sampler gave chosen and rejected, and what each adds, over in-memory frames."""

from itertools import combinations

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report

KEY = {"experiment": "e", "iteration": 1}
REWARDS = {"p": [0.0, 3.0, 2.0, -1.0], "q": [1.0, 1.5, 4.0, 0.0]}
"""Responses 0 and 1 are sampler 0's, the others sampler 1's."""


def contributions(rewards, pairs, samplers=(0, 0, 1, 1)):
    generations = [
        {**KEY, "prompt_id": prompt, "response_index": n, "sampler": samplers[n],
         "sampler_policy": "previous" if samplers[n] else "current", "temperature": 1.0}
        for prompt, values in rewards.items()
        for n in range(len(values))
    ]  # fmt: skip
    scores = [
        {**KEY, "prompt_id": prompt, "response_index": n, "reward": reward, "ranker": "rm"}
        for prompt, values in rewards.items()
        for n, reward in enumerate(values)
    ]
    pairs = [
        {**KEY, "prompt_id": prompt, "chosen_response_index": chosen, "margin": margin,
         "rejected_response_index": rejected}
        for prompt, chosen, rejected, margin in pairs
    ]  # fmt: skip
    frames = {"generations": generations, "scores": scores, "dpo_pairs": pairs}
    tables = {name: pl.DataFrame(rows, schema=schema_of(name)) for name, rows in frames.items()}
    with connect_frames(tables) as connection:
        return report(connection, "sampler_contributions").to_dicts()


def test_shares_rewards_and_margins():
    first, second = contributions(REWARDS, [("p", 1, 3, 4.0), ("q", 2, 3, 3.5)])
    assert (first["sampler_policy"], second["sampler_policy"]) == ("current", "previous")
    assert [row["response_share"] for row in (first, second)] == [0.5, 0.5]
    assert [row["chosen_share"] for row in (first, second)] == [0.5, 0.5]
    assert [row["rejected_share"] for row in (first, second)] == [0.0, 1.0]
    assert [row["reward"] for row in (first, second)] == [5.5 / 4, 5.0 / 4]
    assert [row["chosen_margin"] for row in (first, second)] == [4.0, 3.5]
    assert [row["rejected_margin"] for row in (first, second)] == [None, 3.75]
    assert [row["margin"] for row in (first, second)] == [4.0, 4.0]
    # without sampler 0: p 2 - -1, q 4 - 0; without sampler 1: p 3 - 0, q 1.5 - 1
    assert [row["margin_without"] for row in (first, second)] == [3.5, 1.75]


def test_what_is_compared_has_its_error():
    first, second = contributions(REWARDS, [("p", 1, 3, 4.0), ("q", 2, 3, 3.5)])
    # sampler 0 gave p's chosen response and not q's: one half, ± one half
    assert first["chosen_share_se"] == second["chosen_share_se"] == pytest.approx(0.5)
    assert first["rejected_share_se"] == second["rejected_share_se"] == 0.0  # all, and none
    assert first["margin_without_se"] == pytest.approx(0.5)  # 3 and 4
    for row in (first, second):
        added = row["margin_without_as_many"] - row["margin_without"]
        assert row["margin_added"] == pytest.approx(added)
        assert row["margin_added_se"] > 0


def test_leaving_out_as_many_is_the_mean_over_all_subsets():
    rows = contributions(REWARDS, [], samplers=(0, 1, 1, 1))

    def mean_margin(left):
        subsets = [
            max(values) - min(values)
            for rewards in REWARDS.values()
            for values in combinations(rewards, left)
        ]
        return sum(subsets) / len(subsets)

    assert [row["margin_without_as_many"] for row in rows] == pytest.approx(
        [mean_margin(3), mean_margin(1)]
    )


def test_one_sampler_alone_adds_everything():
    (row,) = contributions(REWARDS, [("p", 1, 3, 4.0)], samplers=(0, 0, 0, 0))
    assert (row["chosen_share"], row["response_share"]) == (1.0, 1.0)
    assert row["margin_without"] is None
    assert row["margin_without_as_many"] is None


def test_a_response_without_a_reward_is_left_out():
    (row, _) = contributions({"p": [None, 3.0, 2.0, -1.0]}, [("p", 1, 3, 4.0)])
    assert (row["responses"], row["margin_without"]) == (1, 3.0)
