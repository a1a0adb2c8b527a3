"""The report on refreshed reward models."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report


def table(name, *rows):
    return pl.DataFrame(rows, schema=schema_of(name))


def accuracy(policy_iteration, refreshes, value, **changes):
    policy = f"iteration_{policy_iteration}/policy" if policy_iteration else "sft_policy"
    model = f"iteration_{refreshes}/reward_model" if refreshes else "reward_model"
    return {
        "experiment": "e", "iteration": policy_iteration, "policy": policy, "reward_model": model,
        "refreshes": refreshes, "split": "evaluation", "accuracy": value, "standard_error": 0.01,
        "prompts": 9,
    } | changes  # fmt: skip


def label(pair_id, preferred, iteration=1, **changes):
    row = {"experiment": "e", "iteration": iteration, "pair_id": pair_id, "preferred": preferred}
    return row | changes


def held(model, experiment, value):
    return {
        "experiment": experiment, "model": model, "split": "reward_validation",
        "metric": "pair_accuracy", "value": value,
    }  # fmt: skip


@pytest.fixture
def found():
    queued = [{"experiment": "e", "iteration": 1, "pair_id": pair} for pair in "xy"]
    frames = {
        "reward_accuracy": table(
            "reward_accuracy",
            *[
                accuracy(policy, refreshes, 0.5 + policy / 10 + refreshes / 100)
                for policy in (1, 0)
                for refreshes in (0, 1)
            ],
            accuracy(0, 0, 0.9, split="validation"),
        ),
        "label_queue": table("label_queue", *queued),
        "preference_labels": table(
            "preference_labels",
            label("x", "first"),
            label("x", "second"),
            label("y", "tie"),
            label("of an older queue", "tie"),
        ),
        "evaluation_results": table(
            "evaluation_results",
            held("reward_model", "shared", 0.7),
            held("iteration_1/reward_model", "e", 0.69),
            held("iteration_1/reward_model", "f", 0.1),
        ),
    }
    with connect_frames(frames) as connection:
        return report(connection, "reward_refresh")


def test_a_policy_is_ordered_by_the_models_around_its_iteration(found):
    columns = ("iteration", "policy", "fixed", "before", "after")
    assert found.select(columns).rows() == [
        (1, "sft_policy", 0.5, 0.5, pytest.approx(0.51)),
        (None, "iteration_1", 0.6, pytest.approx(0.61), None),
    ]


def test_pairs_of_the_queue_count_once(found):
    assert found.select("labelled_pairs", "ties").row(0) == (2, 1)


def test_forgetting_is_measured_on_old_pairs(found):
    assert found.select("old_pairs_before", "old_pairs_after").rows() == [(0.7, 0.69), (0.69, None)]
