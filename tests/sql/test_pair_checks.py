"""Checks of pairs and of the splits of their prompts."""

import polars as pl
import pytest

from tests.sql.check_rows import (
    dpo_pair,
    failures,
    generations,
    preference_pair,
    splits,
    table,
    turn,
)


def test_chosen_differs_from_rejected():
    found = failures(
        "chosen_differs_from_rejected",
        dpo_pairs=dpo_pair(rejected=turn("a")),
        preference_pairs=preference_pair(rejected=turn("a")),
    )
    assert found.rows() == [
        ("dpo_pairs", "e", 1, "p", "a"),
        ("preference_pairs", "shared", 0, "p", "a"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"rejected_penalised_reward": 3.0, "margin": -1.0},
        {"rejected_penalised_reward": 2.0, "margin": 0.0},
        {"margin": 1.0},
        {"margin": None},
        {"chosen_penalised_reward": float("nan"), "margin": float("nan")},
    ],
)
def test_penalised_reward_is_ordered(changes):
    pairs = dpo_pair(**changes)
    assert failures("penalised_reward_is_ordered", dpo_pairs=pairs)["prompt_id"].to_list() == ["p"]


def test_no_prompt_in_two_splits():
    twice = pl.concat([splits(p="iteration_1", q="validation"), splits(p="iteration_2")])
    measured = preference_pair(prompt_id="q", split="reward_validation")
    pairs = pl.concat([measured, preference_pair(prompt_id="q"), preference_pair(prompt_id="q")])
    found = failures("no_prompt_in_two_splits", prompt_splits=twice, preference_pairs=pairs)
    assert found.rows() == [
        ("preference_pairs", "q", "reward_validation, train"),
        ("prompt_splits", "p", "iteration_1, iteration_2"),
        ("prompt_splits", "q", "reward_validation, validation"),
    ]


def test_no_held_out_prompt_in_training():
    found = failures(
        "no_held_out_prompt_in_training",
        prompt_splits=splits(p="validation", v="evaluation", q="iteration_1"),
        generations=generations(("v", 0), ("v", 1), ("q", 0)),
        dpo_pairs=dpo_pair(),
        preference_pairs=preference_pair(),
        demonstrations=table("demonstrations", {"prompt_id": "v"}),
        preference_labels=table(
            "preference_labels", {"experiment": "e", "iteration": 2, "prompt_id": "p"}
        ),
    )
    assert found.rows() == [
        ("demonstrations", "shared", 0, "v", "evaluation", 1),
        ("dpo_pairs", "e", 1, "p", "validation", 1),
        ("generations", "e", 1, "v", "evaluation", 2),
        ("preference_labels", "e", 2, "p", "validation", 1),
        ("preference_pairs", "shared", 0, "p", "validation", 1),
    ]


def test_a_pair_occurs_once():
    pairs = [
        dpo_pair(chosen_response_index=index, rejected=turn(text))
        for index, text in [(0, "b"), (1, "c"), (2, "c")]
    ]
    found = failures("no_duplicate_pair", dpo_pairs=pl.concat(pairs))
    assert found["chosen_response_index"].to_list() == [1, 2]
    assert found["rows_found"].to_list() == [2, 2]
