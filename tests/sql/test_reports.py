from datetime import UTC, datetime

import polars as pl
import pytest

from transforms.tables.query import connect_frames, report, reports
from transforms.tables.schemas import SCHEMAS


def table(name, *rows):
    return pl.DataFrame(rows, schema=SCHEMAS[name])


def turn(content):
    return [{"role": "assistant", "content": content}]


def rows_of(name, **frames):
    with connect_frames(frames) as connection:
        return report(connection, name)


@pytest.mark.parametrize("name", reports())
def test_empty_tables_give_an_empty_report(name):
    assert rows_of(name).is_empty()


def result(experiment, iteration, model, metric, value, **changes):
    return {
        "experiment": experiment, "iteration": iteration, "model": model, "policy_id": model,
        "split": "evaluation", "decoding": "sampled", "metric": metric, "value": value,
        "standard_error": 0.1, "prompts": 7,
    } | changes  # fmt: skip


def test_iteration_progress():
    shared = [
        result("shared", 0, model, "reward", value)
        for model, value in [("one_shot/policy", 2.0), ("offline_dpo", 1.0), ("sft_policy", 0.0)]
    ]
    loop = [
        result(experiment, t, f"iteration_{t}/policy", metric, value, versus=versus)
        for experiment in ("x", "y")
        for t in (2, 1)
        for metric, value, versus in [
            ("reward", 2.0 + t, None),
            ("reward", 99.0, "sft_policy"),
            ("win_rate_reward", 0.5 + t / 10, "sft_policy"),
            ("win_rate_reward", 0.1, "offline_dpo"),
            ("kl_to_sft", 3.0, None),
        ]
    ]
    unseen = [
        result("x", 1, "iteration_1/policy", "reward", -9.0, split="validation"),
        result("x", 1, "iteration_1/policy", "reward", 8.0, decoding="greedy"),
        result("shared", 0, "reward_model", "pair_accuracy", 0.7, split="reward_validation"),
    ]
    selected = {"experiment": "x", "iteration": 2, "model": "iteration_2/policy"}
    found = rows_of(
        "iteration_progress",
        evaluation_results=table("evaluation_results", *shared, *loop, *unseen),
        selected_policies=table("selected_policies", selected),
    )
    sampled = found.filter(decoding="sampled")
    columns = (
        "model",
        "selected",
        "reward",
        "reward_se",
        "win_rate_reward",
        "kl_to_sft",
        "prompts",
    )
    assert sampled.filter(experiment="x").select(columns).rows() == [
        ("sft_policy", False, 0.0, 0.1, None, None, 7),
        ("offline_dpo", False, 1.0, 0.1, None, None, 7),
        ("one_shot", False, 2.0, 0.1, None, None, 7),
        ("iteration_1", False, 3.0, 0.1, 0.6, 3.0, 7),
        ("iteration_2", True, 4.0, 0.1, 0.7, 3.0, 7),
    ]
    assert sampled.filter(experiment="y")["selected"].any() is False
    assert sampled["experiment"].unique().sort().to_list() == ["x", "y"]
    assert found.filter(decoding="greedy").select("model", "reward").rows() == [
        ("iteration_1", 8.0)
    ]


def test_shared_models_alone_are_shown_as_shared():
    frame = table("evaluation_results", result("shared", 0, "sft_policy", "reward", 1.0))
    found = rows_of("iteration_progress", evaluation_results=frame)
    assert found.select("experiment", "model", "reward").rows() == [("shared", "sft_policy", 1.0)]


def test_response_lengths():
    key = {"experiment": "e", "iteration": 1}
    lengths = [
        ("p", 0, 2, "stop", 1.0),
        ("p", 1, 4, "length", 3.0),
        ("q", 0, 2, "stop", 0.0),
        ("q", 1, 2, "stop", 0.0),
    ]
    generations = [
        {**key, "prompt_id": p, "response_index": n, "response_chars": 2 * size,
         "response_tokens": size, "finish_reason": reason}
        for p, n, size, reason, _ in lengths
    ]  # fmt: skip
    scores = [
        {**key, "prompt_id": p, "response_index": n, "reward": r} for p, n, _, _, r in lengths
    ]
    pair = {**key, "prompt_id": "p", "chosen": turn("xxx"), "rejected": turn("x"), "margin": 2.0}
    found = rows_of(
        "response_lengths",
        generations=table("generations", *generations),
        scores=table("scores", *scores),
        dpo_pairs=table("dpo_pairs", pair),
    )
    assert found.to_dicts() == [
        {"experiment": "e", "iteration": 1, "responses": 4, "reward": 1.0, "response_chars": 5.0,
         "response_tokens": 2.5, "truncated_share": 0.25,
         "reward_length_correlation": pytest.approx(1.0), "correlated_prompts": 1, "pairs": 1,
         "margin": 2.0, "chosen_minus_rejected_chars": 2.0, "longer_chosen_share": 1.0}
    ]  # fmt: skip


def test_policy_ancestry():
    def checkpoint(experiment, iteration, asset, own, parent, reference=None):
        return {
            "experiment": experiment, "iteration": iteration, "asset": asset, "checkpoint_id": own,
            "parent_id": parent, "reference_id": reference, "kind": "causal_lm",
            "created_at": datetime(2026, 1, 1, iteration, tzinfo=UTC),
        }  # fmt: skip

    frame = table(
        "checkpoints",
        checkpoint("shared", 0, "initial_model", "i", None),
        checkpoint("shared", 0, "sft_policy", "s", "i"),
        checkpoint("e", 1, "iteration_1/policy", "1", "s", "s"),
        checkpoint("e", 2, "iteration_2/policy", "2", "1", "s"),
        checkpoint("f", 1, "iteration_1/policy", "1", "s", "s"),  # the same weights as e's
        checkpoint("f", 2, "iteration_2/policy", "self", "self"),
        checkpoint("f", 3, "iteration_3/policy", "orphan", "gone"),
    )
    found = rows_of("policy_ancestry", checkpoints=frame)
    assert found.height == frame.height
    chain = {
        (e, t): (n, a)
        for e, t, n, a in found.select("experiment", "iteration", "ancestors", "ancestry").rows()
    }
    assert chain["e", 2] == (
        3,
        "initial_model > sft_policy > iteration_1/policy > iteration_2/policy",
    )
    assert chain["f", 1] == (2, "initial_model > sft_policy > iteration_1/policy")
    assert chain["f", 2] == (0, "iteration_2/policy")
    assert chain["f", 3] == (0, "iteration_3/policy")
    assert found.filter(experiment="e", iteration=2)["reference"].to_list() == ["sft_policy"]


def test_dropped_by_reason():
    row = {"table": "preference_pairs", "source": "a"}
    reasons = ("tie", "tie", "odd_turns", "tie")
    dropped = table("dropped_rows", *[row | {"reason": reason} for reason in reasons])
    pairs = table("dropped_pairs", {"experiment": "e", "iteration": 1, "reason": "equal_text"})
    found = rows_of("dropped_by_reason", dropped_rows=dropped, dropped_pairs=pairs)
    assert found.rows() == [
        ("dpo_pairs", "e/1", "equal_text", 1, 1.0),
        ("preference_pairs", "a", "tie", 3, 0.75),
        ("preference_pairs", "a", "odd_turns", 1, 0.25),
    ]
