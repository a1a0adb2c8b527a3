"""Checks of responses and their scores."""

import polars as pl
import pytest

from tests.sql.check_rows import dpo_pair, failures, generations, scores, splits, table


def test_no_duplicate_response_key():
    two_models = pl.concat([scores(("p", 0)), scores(("p", 0), ranker_id="other")])
    answer = {"model": "m", "split": "evaluation", "prompt_id": "p", "response_index": 0}
    responses = [answer | {"decoding": decoding} for decoding in ("greedy", "sampled", "sampled")]
    found = failures(
        "no_duplicate_response_key",
        generations=generations(("p", 0), ("p", 0), ("p", 1)),
        scores=two_models,
        evaluation_responses=table("evaluation_responses", *responses),
    )
    assert found.select("table", "written_by", "rows_found").rows() == [
        ("evaluation_responses", "m/evaluation/sampled", 2),
        ("generations", "", 2),
    ]


def test_every_prompt_sampled_n_times():
    found = failures(
        "every_prompt_sampled_n_times",
        prompt_splits=splits(p="iteration_1", q="iteration_1", r="iteration_1", s="iteration_2"),
        generations=pl.concat(
            [
                generations(("p", 0), ("p", 1), ("q", 1), ("s", 0)),
                generations(*[(p, 0) for p in "pqrs"], experiment="one_shot"),
            ]
        ),
    )
    assert found.rows() == [("e", 1, "q", 2, 1), ("e", 1, "r", 2, 0), ("e", 1, "s", 0, 1)]


def test_a_sampler_that_never_drew_is_missed():
    drawn = generations(("p", 0), ("p", 1)).with_columns(n=pl.lit(3, pl.Int32))
    found = failures(
        "every_prompt_sampled_n_times", prompt_splits=splits(p="iteration_1"), generations=drawn
    )
    assert found.rows() == [("e", 1, "p", 3, 2)]


def test_adaptive_n_draws_what_its_rule_asks_for():
    drawn = generations(("p", 0), ("p", 1), ("q", 0), ("q", 1), ("r", 0), ("r", 1))
    stops = [
        {"experiment": "e", "iteration": 1, "prompt_id": prompt, "sampling_id": sampling_id,
         "responses": responses}
        for prompt, sampling_id, responses in [("p", "s", 2), ("q", "s", 4), ("r", "old", 2)]
    ]  # fmt: skip
    found = failures(
        "every_prompt_sampled_n_times",
        prompt_splits=splits(p="iteration_1", q="iteration_1", r="iteration_1"),
        generations=drawn.with_columns(n=pl.lit(4, pl.Int32), sampling_id=pl.lit("s")),
        sampling_stops=table("sampling_stops", *stops),
    )
    assert found.rows() == [("e", 1, "q", 4, 2), ("e", 1, "r", 4, 2)]


def test_the_length_study_samples_its_own_split():
    found = failures(
        "every_prompt_sampled_n_times",
        prompt_splits=splits(p="length_study", q="length_study", r="iteration_1"),
        generations=generations(("p", 0), ("r", 0), experiment="length_study", iteration=0),
    )
    assert found.rows() == [("length_study", 0, "q", 1, 0), ("length_study", 0, "r", 0, 1)]


def test_iteration_1_is_not_iteration_10():
    found = failures(
        "every_prompt_sampled_n_times",
        prompt_splits=splits(p="iteration_1", q="iteration_10"),
        generations=generations(("p", 0)),
    )
    assert found.is_empty()


@pytest.mark.parametrize("reward", [None, float("nan"), float("inf")])
def test_rewards_are_finite(reward):
    evaluated = {"prompt_id": "v", "model": "m", "reward": reward, "gold_reward": reward}
    found = failures(
        "rewards_are_finite",
        scores=scores(("p", 0), reward=reward),
        evaluation_responses=table("evaluation_responses", evaluated),
    )
    # a gold reward may be absent, a reward may not
    assert found.height == (2 if reward is None else 3)


def test_every_response_scored():
    unscored = generations(("p", 0), iteration=2)
    found = failures(
        "every_response_scored",
        generations=pl.concat([generations(("p", 0), ("p", 1)), unscored]),
        scores=scores(("p", 0)),
    )
    assert found.rows() == [("e", 1, "p", 1)]
    paired = failures(
        "every_response_scored", generations=unscored, dpo_pairs=dpo_pair(iteration=2)
    )
    assert paired.rows() == [("e", 2, "p", 0)]


@pytest.mark.parametrize(("empty", "slices"), [(1, []), (2, [("e", 1, 10, 2, "p0")])])
def test_few_empty_responses(empty, slices):
    texts = pl.Series("response", ["", "\u200b"][:empty] + ["yes"] * (10 - empty))
    rows = generations(*[(f"p{n}", 0) for n in range(10)]).with_columns(texts)
    assert failures("few_empty_responses", generations=rows).rows() == slices
