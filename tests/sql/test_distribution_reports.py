"""Histograms, the reward-length map and the selection over literal rows."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report


def rows_of(name, **tables):
    frames = {table: pl.DataFrame(rows, schema_of(table)) for table, rows in tables.items()}
    with connect_frames(frames) as connection:
        return report(connection, name)


def key(iteration, prompt_id="p", index=0, experiment="e"):
    return {
        "experiment": experiment, "iteration": iteration, "prompt_id": prompt_id,
        "response_index": index,
    }  # fmt: skip


def test_iterations_share_the_bins_of_their_rewards():
    rewards = [(1, 0.0), (1, 0.0), (1, 30.0), (2, 15.0), (2, None)]
    scores = [key(t, index=n) | {"ranker": "rm", "reward": r} for n, (t, r) in enumerate(rewards)]
    found = rows_of("reward_histogram", scores=scores)
    assert found.drop("experiment", "ranker").rows() == [
        (1, 0.0, 1.0, 2),
        (1, 29.0, 30.0, 1),  # the last bin holds the highest
        (2, 15.0, 16.0, 1),
    ]


def test_equal_rewards_are_one_bin():
    found = rows_of("reward_histogram", scores=[key(1) | {"ranker": "rm", "reward": 2.0}])
    assert found.select("reward_from", "responses").rows() == [(2.0, 1)]


def test_margins_are_counted_from_zero():
    pairs = [key(t) | {"margin": m} for t, m in [(1, 0.5), (1, 30.0), (2, 10.2)]]
    pairs = [
        {name: value for name, value in row.items() if name != "response_index"} for row in pairs
    ]
    found = rows_of("margin_histogram", dpo_pairs=pairs)
    assert found.drop("experiment").rows() == [
        (1, 0.0, 1.0, 1),
        (1, 29.0, 30.0, 1),
        (2, 10.0, 11.0, 1),
    ]


def test_the_map_counts_what_responses_differ_from_their_prompts_mean():
    # two prompts, the means of which differ; within each the longer response has the higher reward
    rows = [("p", 0, 10, 0.0), ("p", 1, 34, 2.4), ("q", 0, 100, 7.0), ("q", 1, 124, 9.4),
            ("alone", 0, 5, 0.0)]  # fmt: skip
    generations = [key(1, p, n) | {"response_chars": chars} for p, n, chars, _ in rows]
    scores = [key(1, p, n) | {"ranker": "rm", "ranker_id": "r", "reward": r} for p, n, _, r in rows]
    found = rows_of("reward_length_map", generations=generations, scores=scores)
    assert found.select("chars_from", "chars_to", "responses").rows() == [
        (-12.0, -11.0, 2), (11.0, 12.0, 2),
    ]  # fmt: skip
    assert found["reward_from"].to_list() == pytest.approx([-1.2, 1.1])


def test_without_a_difference_there_is_no_map():
    rows = [key(1, index=n) | {"response_chars": 7} for n in range(2)]
    scores = [key(1, index=n) | {"ranker": "rm", "reward": float(n)} for n in range(2)]
    assert rows_of("reward_length_map", generations=rows, scores=scores).is_empty()


def test_the_selection_is_shown_by_its_own_metric():
    def result(iteration, metric, value, **changes):
        return {
            "experiment": "e", "iteration": iteration, "model": f"iteration_{iteration}/policy",
            "policy_id": f"c{iteration}", "split": "validation", "decoding": "sampled",
            "metric": metric, "value": value, "standard_error": 0.5, "prompts": 9,
        } | changes  # fmt: skip

    results = [
        result(1, "gold_reward", 1.0),
        result(2, "gold_reward", 2.0),
        result(2, "reward", 9.0),
        result(2, "gold_reward", 9.0, split="evaluation"),
        result(2, "gold_reward", 9.0, decoding="greedy"),
        result(2, "gold_reward", 9.0, versus="sft_policy"),
        result(0, "gold_reward", 9.0, model="sft_policy", experiment="shared"),
    ]
    selected = {"experiment": "e", "model": "iteration_2/policy", "metric": "gold_reward"}
    found = rows_of("policy_selection", evaluation_results=results, selected_policies=[selected])
    assert found.select(
        "model", "value", "value_se", "prompts", "selected", "policy_id"
    ).rows() == [
        ("iteration_1", 1.0, 0.5, 9, False, "c1"),
        ("iteration_2", 2.0, 0.5, 9, True, "c2"),
    ]
