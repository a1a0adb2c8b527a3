"""Checks of the models that responses and scores come from."""

import json

import polars as pl
import pytest

from tests.sql.check_rows import checkpoint, failures, generations, scores, table


def test_sampled_from_the_expected_policy():
    first = generations(("p", 0), ("p", 1)).with_columns(policy_id=pl.lit("pi_0"))
    second = generations(("q", 0), iteration=2).with_columns(policy_id=pl.lit("old pi_1"))
    models = table(
        "checkpoints",
        checkpoint("sft_policy", "pi_0"),
        checkpoint("iteration_1/policy", "old pi_1", experiment="e"),
        checkpoint("iteration_1/policy", "pi_1", experiment="e", day=2),
        checkpoint("iteration_1/policy", "another's", experiment="f", day=3),
    )
    found = failures(
        "sampled_from_the_expected_policy",
        generations=pl.concat([first, second]),
        checkpoints=models,
    )
    assert found.rows() == [("e", 2, "old pi_1", "current", 1, "iteration_1/policy", "pi_1")]


@pytest.mark.parametrize(
    ("iteration", "sampler_policy", "policy_id"),
    [
        (1, "current", "pi_0"),
        (1, "previous", "pi_0"),
        (1, "initial", "pi_0"),
        (1, "step@0.5", "pi_0"),
        (2, "current", "pi_1"),
        (2, "previous", "pi_0"),
        (2, "initial", "pi_0"),
        (2, "step@0.5", "half pi_1"),
        (3, "current", "pi_2"),
        (3, "previous", "pi_1"),
        (3, "initial", "pi_0"),
    ],
)
def test_each_sampler_has_a_policy_of_its_own(iteration, sampler_policy, policy_id):
    models = table(
        "checkpoints",
        checkpoint("sft_policy", "pi_0"),
        checkpoint("iteration_1/policy@0.5", "half pi_1", experiment="e"),
        checkpoint("iteration_1/policy", "pi_1", experiment="e"),
        checkpoint("iteration_2/policy", "pi_2", experiment="e"),
    )
    for found_id, rows in [(policy_id, 0), ("another", 1)]:
        drawn = generations(("p", 0), iteration=iteration).with_columns(
            policy_id=pl.lit(found_id), sampler_policy=pl.lit(sampler_policy, pl.String)
        )
        found = failures("sampled_from_the_expected_policy", generations=drawn, checkpoints=models)
        assert found.height == rows
        assert set(found["expected_policy_id"]) <= {policy_id}


@pytest.mark.parametrize(
    ("settings", "policy_id"),
    [({"seed": 0}, "fine-tuned"), ({"seed": 0, "is_initial_policy": True}, "given")],
)
def test_pi_0_is_the_initial_model_if_its_record_says_so(settings, policy_id):
    """A lake may have both, of a recipe before and after `sft: null`."""
    models = table(
        "checkpoints",
        checkpoint("initial_model", "given") | {"settings": "{}"},
        checkpoint("sft_policy", "fine-tuned", day=2),
        checkpoint("initial_model", "given", day=3) | {"settings": json.dumps(settings)},
    )
    for sampled, rows in ((policy_id, 0), ("another", 1)):
        drawn = generations(("p", 0)).with_columns(policy_id=pl.lit(sampled))
        found = failures("sampled_from_the_expected_policy", generations=drawn, checkpoints=models)
        assert found.height == rows


def test_a_sampler_of_no_known_kind_is_a_failure():
    drawn = generations(("p", 0), iteration=2).with_columns(
        policy_id=pl.lit("pi_0"), sampler_policy=pl.lit("best")
    )
    models = table("checkpoints", checkpoint("sft_policy", "pi_0"))
    found = failures("sampled_from_the_expected_policy", generations=drawn, checkpoints=models)
    assert found.height == 1


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"policy_id": "pi_1"}, "another policy"),
        ({"sampling_id": "s"}, "another sampling"),
        ({"ranking_id": "other"}, "several rankings"),
        ({"ranker_id": "old"}, "several rankings"),
    ],
)
def test_scored_by_the_expected_ranker(changes, fault):
    found = failures(
        "scored_by_the_expected_ranker",
        generations=generations(("p", 0), ("p", 1)).with_columns(policy_id=pl.lit("pi_0")),
        scores=pl.concat(
            [
                scores(("p", 0), policy_id="pi_0"),
                scores(("p", 1), **{"policy_id": "pi_0", **changes}),
            ]
        ),
        checkpoints=table("checkpoints", checkpoint("reward_model", "rm")),
    )
    assert set(found["fault"]) == ({fault} if fault else set())


def test_scores_of_a_model_that_was_trained_again():
    found = failures(
        "scored_by_the_expected_ranker",
        generations=generations(("p", 0)),
        scores=scores(("p", 0)),
        checkpoints=table(
            "checkpoints",
            checkpoint("reward_model", "rm"),
            checkpoint("reward_model", "new", day=2),
        ),
    )
    assert found["fault"].to_list() == ["not the newest reward_model"]


def test_a_ranker_without_a_checkpoint_is_compared_with_none():
    found = failures(
        "scored_by_the_expected_ranker",
        generations=generations(("p", 0)),
        scores=scores(("p", 0), ranker_id="rules").with_columns(ranker=pl.lit("length")),
        checkpoints=table("checkpoints", checkpoint("reward_model", "rm")),
    )
    assert found.is_empty()


def test_every_experiment_has_a_refreshed_model_of_its_own():
    def found(ranker, ranker_id):
        return failures(
            "scored_by_the_expected_ranker",
            generations=generations(("p", 0)),
            scores=scores(("p", 0), ranker_id=ranker_id).with_columns(ranker=pl.lit(ranker)),
            checkpoints=table(
                "checkpoints",
                checkpoint("iteration_1/reward_model", "mine", experiment="e"),
                checkpoint("iteration_1/reward_model", "another's", experiment="f", day=2),
                checkpoint("iteration_2/reward_model", "next", experiment="e", day=3),
            ),
        )["fault"].to_list()

    assert found("iteration_1/reward_model", "mine") == []
    assert found("iteration_1/reward_model", "another's") == [
        "not the newest iteration_1/reward_model"
    ]
    assert found("iteration_2/reward_model", "next") == ["of another iteration"]
