import json
import re

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transforms.lake.schemas import schema_of
from transforms.views.query import SQL, check, connect_frames
from transforms.views.statements import list_checks, list_reports, read_description


def table(name, *rows):
    """Build a table's rows; columns that a test does not name are null."""
    return pl.DataFrame(rows, schema=schema_of(name))


def turn(content):
    return [{"role": "assistant", "content": content}]


def generations(*keys, experiment="e", iteration=1):
    of_slice = {"experiment": experiment, "iteration": iteration, "sampler_policy": "current"}
    of_slice |= {"n": 1 + max(index for _, index in keys), "response": "yes"}
    return table("generations", *[
        of_slice | {"prompt_id": prompt, "response_index": index} for prompt, index in keys
    ])  # fmt: skip


def scores(*keys, reward=1.0, ranker_id="rm", ranking_id="r", **origin):
    extra = {"ranker": "reward_model", "ranker_id": ranker_id, "ranking_id": ranking_id, **origin}
    rows = generations(*keys).with_columns(
        **{name: pl.lit(value) for name, value in extra.items()},
        reward=pl.lit(reward, dtype=pl.Float64),
    )
    return rows.select(list(schema_of("scores")))


def checkpoint(asset, checkpoint_id, experiment="shared", day=1):
    made = {"asset": asset, "checkpoint_id": checkpoint_id, "experiment": experiment}
    return made | {"commit_version": day}


def splits(**prompts):
    return table("prompt_splits", *[{"prompt_id": p, "split": s} for p, s in prompts.items()])


def dpo_pair(**changes):
    pair = {
        "experiment": "e", "iteration": 1, "prompt_id": "p", "chosen": turn("a"),
        "rejected": turn("b"), "chosen_penalised_reward": 2.0, "rejected_penalised_reward": 0.5,
        "margin": 1.5,
    }  # fmt: skip
    return table("dpo_pairs", pair | changes)


def preference_pair(**changes):
    pair = {
        "source": "s", "pair_id": "x", "prompt_id": "p", "chosen": turn("a"),
        "rejected": turn("b"), "split": "train",
    }  # fmt: skip
    return table("preference_pairs", pair | changes)


def failures(name, **frames):
    """Run a check; of every slice of its failures, it returns the same rows."""
    with connect_frames(frames) as connection:
        found = check(connection, name, {})
        columns = [name for name in ("table", "experiment", "iteration") if name in found.columns]
        for slice_ in found.select(columns).unique().to_dicts() if columns else []:
            known = {column: value for column, value in slice_.items() if value is not None}
            expected = found.filter(**known) if known else found
            of_slice = check(connection, name, known)
            assert_frame_equal(of_slice, expected, check_row_order=False)
        return found


@pytest.mark.parametrize("name", list_checks())
def test_no_rows_no_failures(name):
    assert failures(name).is_empty()


@pytest.mark.parametrize("name", list_checks())
def test_a_sound_lake_passes(name):
    keys = [("p", 0), ("p", 1), ("q", 0), ("q", 1)]
    found = failures(
        name,
        generations=generations(*keys).with_columns(policy_id=pl.lit("pi_0")),
        scores=scores(*keys, policy_id="pi_0"),
        checkpoints=table(
            "checkpoints", checkpoint("sft_policy", "pi_0"), checkpoint("reward_model", "rm")
        ),
        prompt_splits=splits(p="iteration_1", q="iteration_1", r="iteration_2", v="validation"),
        dpo_pairs=dpo_pair(),
        preference_pairs=preference_pair(),
        mixture_pairs=table(
            "mixture_pairs", {"mixture": "all", "source": "s", "pair_id": "x", "copies": 1}
        ),
        demonstrations=table("demonstrations", {"prompt_id": "p"}),
        evaluation_responses=table("evaluation_responses", {"prompt_id": "v", "reward": 1.0}),
    )
    assert found.is_empty(), found


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


def test_every_statement_says_what_a_row_is_and_is_lower_case():
    for folder, names in (("checks", list_checks()), ("reports", list_reports())):
        for name in names:
            head = read_description(folder, name)
            passes = r"Passes when [^.]+\. " if folder == "checks" else ""
            assert re.match(f"{passes}One row per", head)
            text = (SQL / folder / f"{name}.sql").read_text()
            assert not re.search(r"\b(SELECT|FROM|WHERE|JOIN|GROUP)\b", text)


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


@pytest.mark.parametrize(("empty", "slices"), [(1, []), (2, [("e", 1, 10, 2, "p0")])])
def test_few_empty_responses(empty, slices):
    texts = pl.Series("response", ["", "\u200b"][:empty] + ["yes"] * (10 - empty))
    rows = generations(*[(f"p{n}", 0) for n in range(10)]).with_columns(texts)
    assert failures("few_empty_responses", generations=rows).rows() == slices


def test_a_pair_occurs_once():
    pairs = [
        dpo_pair(chosen_response_index=index, rejected=turn(text))
        for index, text in [(0, "b"), (1, "c"), (2, "c")]
    ]
    found = failures("no_duplicate_pair", dpo_pairs=pl.concat(pairs))
    assert found["chosen_response_index"].to_list() == [1, 2]
    assert found["rows_found"].to_list() == [2, 2]
