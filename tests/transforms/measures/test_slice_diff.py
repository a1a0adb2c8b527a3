import random

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.lake.slices import LoopSlice
from transforms.measures.slice_diff import (
    compare_policies,
    count_pair_changes,
    measure_shifts,
    summarise_pairs,
)


def table(name, *rows):
    return pl.DataFrame(
        [{"experiment": "e", "iteration": 1, **row} for row in rows], schema=schema_of(name)
    )


def pair(prompt, chosen, rejected, **keys):
    return {
        "prompt_id": prompt,
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
    } | keys


def sampled(*rows):
    """Slice of responses: prompt, index, text, reward (None: not scored)."""
    keys = [{"prompt_id": prompt, "response_index": index} for prompt, index, _, _ in rows]
    texts = [
        {"response": text, "response_chars": len(text), "response_tokens": 1}
        for _, _, text, _ in rows
    ]
    return LoopSlice(
        pairs=table("dpo_pairs"),
        generations=table("generations", *[k | t for k, t in zip(keys, texts, strict=True)]),
        scores=table(
            "scores",
            *[
                k | {"reward": row[3]}
                for k, row in zip(keys, rows, strict=True)
                if row[3] is not None
            ],
        ),
        evaluation=table("evaluation_responses"),
    )


def test_each_kind_of_change_of_pairs_is_counted_once():
    first = table(
        "dpo_pairs", pair("p", "a", "b"), pair("q", "a", "b"), pair("r", "a", "b"),
        pair("s", "a", "b"), pair("gone", "a", "b"),
    )  # fmt: skip
    second = table(
        "dpo_pairs", pair("p", "a", "b"), pair("q", "x", "b"), pair("r", "a", "x"),
        pair("s", "b", "a"), pair("new", "a", "b"), pair("new", "a", "b", iteration=2),
    )  # fmt: skip
    assert count_pair_changes(first, second).to_dicts() == [
        {"iteration": 1, "first_pairs": 5, "second_pairs": 5, "added": 1, "removed": 1,
         "other_chosen": 1, "other_rejected": 1, "other_both": 1, "unchanged": 1},
        {"iteration": 2, "first_pairs": 0, "second_pairs": 1, "added": 1, "removed": 0,
         "other_chosen": 0, "other_rejected": 0, "other_both": 0, "unchanged": 0},
    ]  # fmt: skip


def test_of_several_pairs_of_a_prompt_only_a_single_other_one_became_another():
    first = table("dpo_pairs", pair("p", "a", "b"), pair("p", "a", "c"), pair("q", "a", "b"))
    second = table(
        "dpo_pairs", pair("p", "a", "c"), pair("p", "a", "d"), pair("q", "a", "b"),
        pair("q", "a", "c"), pair("q", "b", "c"),
    )  # fmt: skip
    assert count_pair_changes(first, second).to_dicts() == [
        {"iteration": 1, "first_pairs": 3, "second_pairs": 5, "added": 2, "removed": 0,
         "other_chosen": 0, "other_rejected": 1, "other_both": 0, "unchanged": 2},
    ]  # fmt: skip


def test_rewards_and_lengths_move_by_the_mean_of_the_prompts_means():
    # prompt p: two responses, one of them the same text; q: one response, the same text
    first = sampled(("p", 0, "aa", 1.0), ("p", 1, "b", 0.0), ("q", 0, "c", 5.0), ("r", 0, "z", 1.0))
    second = sampled(("p", 0, "aa", 2.0), ("p", 1, "bbb", 4.0), ("q", 0, "c", 5.0))
    found = {row["metric"]: row for row in measure_shifts(first, second).to_dicts()}
    assert found["reward_of_common_responses"] == {
        "iteration": 1, "metric": "reward_of_common_responses", "difference": 0.5,
        "standard_error": pytest.approx(0.5), "prompts": 2, "rows": 2,
    }  # fmt: skip
    # p moves by 3 - 0.5, q by 0; r is not in the second
    assert found["reward"]["difference"] == 1.25
    assert found["reward"]["standard_error"] == pytest.approx(1.25)
    assert (found["reward"]["prompts"], found["reward"]["rows"]) == (2, 3)
    assert found["response_chars"]["difference"] == 0.5
    assert "chosen_chars" not in found


def test_one_prompt_has_no_standard_error_and_what_was_not_scored_does_not_count():
    first = sampled(("p", 0, "a", 1.0), ("q", 0, "b", None))
    second = sampled(("p", 0, "a", 3.0), ("q", 0, "b", 9.0))
    found = measure_shifts(first, second).filter(metric="reward").row(0, named=True)
    assert (found["difference"], found["standard_error"], found["prompts"]) == (2.0, None, 1)


def test_lengths_of_pairs_are_compared_on_common_prompts():
    first, second = sampled(), sampled()
    first = LoopSlice(table("dpo_pairs", pair("p", "aa", "b")), *list(vars(first).values())[1:])
    second = LoopSlice(
        table("dpo_pairs", pair("p", "a", "bbb"), pair("q", "a", "b")),
        *list(vars(second).values())[1:],
    )
    found = measure_shifts(first, second)
    assert found.select("metric", "difference").rows() == [
        ("chosen_chars", -1.0),
        ("rejected_chars", 2.0),
    ]


def evaluated(model, *rows):
    return table(
        "evaluation_responses",
        *[
            {"model": model, "policy_id": model, "split": "evaluation", "decoding": "sampled",
             "prompt_id": prompt, "response_index": 0, "reward": reward}
            for prompt, reward in rows
        ],
    )  # fmt: skip


def test_wins_are_the_seconds_against_the_first_on_common_prompts():
    first = evaluated("one", ("p", 1.0), ("q", 1.0), ("r", 0.0))
    second = evaluated("two", ("p", 2.0), ("q", 1.0), ("s", 9.0))
    found = compare_policies(first, second)
    assert found.select("metric", "value", "prompts").rows() == [("win_rate_reward", 0.75, 2)]
    assert compare_policies(first, evaluated("two", ("s", 1.0))).is_empty()
    assert compare_policies(first, first.clear()).columns == found.columns


def test_the_means_of_pairs():
    first = table("dpo_pairs", pair("p", "aaa", "b", margin=2.0), pair("q", "a", "b", margin=1.0))
    second = table("dpo_pairs", pair("p", "a", "bbb", margin=4.0))
    assert summarise_pairs({"x": first, "y": second}).to_dicts() == [
        {"iteration": 1, "slice": "x", "pairs": 2, "prompts": 2, "margin": 1.5,
         "chosen_chars": 2.0, "rejected_chars": 1.0, "longer_chosen": 0.75},
        {"iteration": 1, "slice": "y", "pairs": 1, "prompts": 1, "margin": 4.0,
         "chosen_chars": 1.0, "rejected_chars": 3.0, "longer_chosen": 0.0},
    ]  # fmt: skip


def test_shifts_repeat_to_the_last_digit():
    draw = random.Random(0)
    rows = [(f"p{n // 3}", n % 3, "a" * draw.randrange(1, 99), draw.gauss()) for n in range(900)]
    first, second = sampled(*rows), sampled(*((*row[:2], "b", draw.gauss()) for row in rows))
    found = [measure_shifts(first, second) for _ in range(4)]
    assert all(one.equals(found[0]) for one in found)
