import json
import re

import polars as pl
import pytest

from transforms.lake.schemas import TABLES, schema_of
from transforms.measures import bootstrap
from transforms.views.empty_reports import ONCE, explain_empty, find_tables, read_condition
from transforms.views.query import connect_frames, report
from transforms.views.statements import list_reports, list_views, read_description


def table(name, *rows):
    return pl.DataFrame(rows, schema=schema_of(name))


def turn(content):
    return [{"role": "assistant", "content": content}]


def rows_of(name, **frames):
    with connect_frames(frames) as connection:
        return report(connection, name)


@pytest.mark.parametrize("name", list_reports())
def test_empty_tables_give_an_empty_report(name):
    assert rows_of(name).is_empty()


def test_no_name_has_two_meanings():
    assert not set(list_views()) & (set(TABLES) | set(list_reports()))
    for name in set(TABLES) & set(list_reports()):
        two = pl.DataFrame(schema=schema_of(name)).clear(2)
        assert rows_of(name, **{name: two}).equals(two), name


@pytest.mark.parametrize("name", list_reports())
def test_every_report_says_when_it_has_rows(name):
    assert read_description("reports", name).count(ONCE) == 1
    assert re.fullmatch(f"{ONCE}.+[.]", read_condition(name))
    with connect_frames({}) as connection:
        reason = explain_empty(connection, name)
    assert all(table in reason for table in find_tables("reports", name))
    assert reason.endswith(read_condition(name))


def test_the_reason_names_only_tables_that_are_empty():
    deciding = {"experiment": "a", "promoted": False}
    with connect_frames({"promotions": table("promotions", deciding)}) as connection:
        reason = explain_empty(connection, "current_policy")
    assert "empty tables that it reads: checkpoints. There are rows" in reason
    scored = {"promotions": table("promotions", deciding),
              "checkpoints": table("checkpoints", {"asset": "a"})}  # fmt: skip
    with connect_frames(scored) as connection:
        reason = explain_empty(connection, "current_policy")
    assert "checkpoints has 1 rows, promotions has 1 rows, and the report selects none" in reason


def result(experiment, iteration, model, metric, value, **changes):
    return {
        "experiment": experiment, "iteration": iteration, "model": model, "policy_id": model,
        "split": "evaluation", "decoding": "sampled", "metric": metric, "value": value,
        "standard_error": 0.1, "prompts": 7, "low": value - 0.2, "high": value + 0.2,
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
            ("kl_to_initial", 3.0, None),
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
        "kl_to_initial",
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


@pytest.mark.parametrize("initial", ["sft_policy", "initial_model"])
def test_figures_stand_beside_their_errors_and_intervals(initial):
    frame = table(
        "evaluation_results",
        result("x", 1, "iteration_1/policy", "gold_reward", 1.0),
        result("x", 1, "iteration_1/policy", "kl_to_initial", 3.0),
        result("x", 1, "iteration_1/policy", "win_rate_gold", 0.5, versus=initial),
        result("x", 1, "iteration_1/policy", "reward", 1.0, versus=initial, low=None),
    )
    progress = rows_of("iteration_progress", evaluation_results=frame).row(0, named=True)
    for name in ("gold_reward", "win_rate_gold"):
        assert progress[f"{name}_low"] < progress[name] < progress[f"{name}_high"]
    assert (progress["kl_to_initial"], progress["kl_to_initial_se"]) == (3.0, 0.1)
    selected = {"experiment": "x", "iteration": 1, "model": "iteration_1/policy"}
    contrasts = rows_of(
        "selected_contrasts",
        evaluation_results=frame,
        selected_policies=table("selected_policies", selected),
    )
    # an older row has no interval
    assert contrasts.select(
        "metric", "difference", "difference_se", "difference_low", "difference_high"
    ).rows() == [("reward", 1.0, 0.1, None, 1.2)]


def test_selected_policies_are_compared_by_further_rewards_too():
    model = "iteration_1/policy"
    metrics = ("reward", "helpful", "win_rate_helpful", "response_tokens")
    rows = [result("x", 1, model, name, 1.0, versus="sft_policy") for name in metrics]
    selected = {"experiment": "x", "iteration": 1, "model": model}
    found = rows_of(
        "selected_contrasts",
        evaluation_results=table("evaluation_results", *rows),
        selected_policies=table("selected_policies", selected),
    )
    assert found["metric"].to_list() == ["helpful", "reward"]


def test_experiment_contrasts_are_paired_by_prompt():
    chars = {"x": [10, 20, 30], "y": [5, 10, 15]}
    golds = {"x": [1.0, 3.0, 2.0], "y": [0.0, 1.0, 1.0]}
    rows = [
        {"experiment": name, "iteration": 1, "model": "iteration_1/policy", "split": "evaluation",
         "decoding": "sampled", "prompt_id": str(p), "gold_reward": gold, "reward": gold,
         "response_chars": length}
        for name in chars
        for p, (gold, length) in enumerate(zip(golds[name], chars[name], strict=True))
    ]  # fmt: skip
    selected = [{"experiment": name, "model": "iteration_1/policy"} for name in chars]
    found = rows_of(
        "experiment_contrasts",
        evaluation_responses=table("evaluation_responses", *rows),
        selected_policies=table("selected_policies", *selected),
    )
    first = found.row(0, named=True)
    assert (first["experiment"], first["versus"], first["prompts"]) == ("x", "y", 3)
    # every response of x is twice as long as y's: the ratio has no error
    assert (first["chars_ratio"], first["chars_ratio_se"]) == (2.0, 0.0)
    error = (1 / 3) ** 0.5 / 3**0.5  # differences 1, 2, 1
    assert first["gold_difference"] == pytest.approx(4 / 3)
    assert first["gold_difference_se"] == pytest.approx(error)
    differences = pl.DataFrame({"prompt_id": ["0", "1", "2"], "value": [1.0, 2.0, 1.0]})
    interval = bootstrap.estimate_mean(differences)
    assert first["gold_difference_low"] == pytest.approx(interval.low)
    assert first["gold_difference_high"] == pytest.approx(interval.high)


def test_experiment_contrasts_compare_with_baselines_first():
    rows = [
        {"experiment": experiment, "iteration": 1, "model": model, "split": "evaluation",
         "decoding": "greedy", "prompt_id": "p", "gold_reward": gold, "reward": gold,
         "response_chars": 4}
        for experiment, model, gold in (
            ("x", "iteration_1/policy", 3.0),
            ("a", "iteration_1/policy", 2.0),
            ("shared", "offline_dpo/policy", 1.0),
        )
    ]  # fmt: skip
    selected = [{"experiment": name, "model": "iteration_1/policy"} for name in ("a", "x")]
    found = rows_of(
        "experiment_contrasts",
        evaluation_responses=table("evaluation_responses", *rows),
        selected_policies=table("selected_policies", *selected),
    )
    assert found.select("experiment", "versus", "gold_difference").rows() == [
        ("a", "offline_dpo", 1.0),
        ("a", "x", -1.0),
        ("x", "offline_dpo", 2.0),
        ("x", "a", 1.0),
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
    near = pytest.approx
    pair = {**key, "prompt_id": "p", "chosen": turn("xxx"), "rejected": turn("x"), "margin": 2.0}
    found = rows_of(
        "response_lengths",
        generations=table("generations", *generations),
        scores=table("scores", *scores),
        dpo_pairs=table("dpo_pairs", pair),
    )
    assert found.to_dicts() == [
        {"experiment": "e", "iteration": 1, "responses": 4,
         # the prompts' sums lie 2 above and below their share: sqrt(8 * 2) / 4
         "reward": 1.0, "reward_se": near(1.0),
         "response_chars": 5.0, "response_chars_se": near(1.0),
         "response_tokens": 2.5, "response_tokens_se": near(0.5),
         "truncated_share": 0.25, "truncated_share_se": near(0.25),
         "reward_length_correlation": pytest.approx(1.0), "reward_length_correlation_se": None,
         "correlated_prompts": 1, "pairs": 1,
         "margin": 2.0, "margin_se": None,
         "chosen_minus_rejected_chars": 2.0, "chosen_minus_rejected_chars_se": None,
         "longer_chosen_share": 1.0, "longer_chosen_share_se": None}
    ]  # fmt: skip


def test_pairs_of_one_prompt_are_one_cluster():
    def pair(prompt, margin):
        return {"experiment": "e", "iteration": 1, "prompt_id": prompt, "margin": margin,
                "chosen": turn("xx"), "rejected": turn("x")}  # fmt: skip

    key = {"experiment": "e", "iteration": 1, "response_index": 0}
    rows = [{**key, "prompt_id": prompt, "reward": 0.0, "response_chars": 1} for prompt in "pq"]

    def margin(*pairs):
        frames = {"generations": table("generations", *rows), "scores": table("scores", *rows),
                  "dpo_pairs": table("dpo_pairs", *pairs)}  # fmt: skip
        return rows_of("response_lengths", **frames).select("margin", "margin_se").row(0)

    # prompt means 2 and 0: sd sqrt(2), over sqrt(2) prompts; copies of a pair add nothing
    assert margin(pair("p", 2.0), pair("q", 0.0)) == pytest.approx((1.0, 1.0))
    assert margin(*[pair("p", 2.0), pair("q", 0.0)] * 5) == pytest.approx((1.0, 1.0))
    assert margin(pair("p", 2.0), pair("p", 0.0)) == (1.0, None)  # one prompt has no error


def test_policy_ancestry():
    def checkpoint(experiment, iteration, asset, own, parent, reference, inputs):
        return {
            "experiment": experiment, "iteration": iteration, "asset": asset, "checkpoint_id": own,
            "parent_id": parent, "reference_id": reference, "kind": "causal_lm",
            "inputs": json.dumps(inputs), "commit_version": iteration,
        }  # fmt: skip

    def made(asset, output_id, inputs):
        return {
            "asset": asset, "experiment": "e", "output_id": output_id,
            "inputs": json.dumps(inputs), "commit_version": 0,
        }  # fmt: skip

    first = ("iteration_1/policy", "1", "s", "s")
    checkpoints = table(
        "checkpoints",
        checkpoint("shared", 0, "sft_policy", "s", "", "", {"demonstrations": "demonstrations@0"}),
        checkpoint("shared", 0, "reward_model", "r", "s", "", {"sft_policy": "s"}),
        checkpoint("e", 1, *first, {"sft_policy": "s", "iteration_1/dpo_pairs": "dpo_pairs@4"}),
        checkpoint("f", 2, *first, {"sft_policy": "s"}),  # the same weights as e's
        checkpoint("e", 3, "iteration_2/policy", "2", "1", "s", {"iteration_1/policy": "1"}),
        checkpoint("f", 4, "iteration_3/policy", "orphan", "gone", "", {}),
    )
    materializations = table(
        "materializations",
        made("iteration_1/dpo_pairs", "dpo_pairs@4", {"iteration_1/scores": "scores@3"}),
        made("iteration_1/scores", "scores@3", {"iteration_1/generations": "generations@2",
                                                "reward_model": "r"}),
        made("iteration_1/generations", "generations@2", {"sft_policy": "s"}),
    )  # fmt: skip
    found = rows_of("policy_ancestry", checkpoints=checkpoints, materializations=materializations)
    columns = ("step", "relation", "asset", "ancestor_id", "table", "version")
    assert found.filter(checkpoint_id="1").select(columns).rows() == [
        (1, "data", "iteration_1/dpo_pairs", None, "dpo_pairs", 4),
        (1, "parent", "sft_policy", "s", None, None),
        (1, "reference", "sft_policy", "s", None, None),
        (2, "data", "demonstrations", None, "demonstrations", 0),
        (2, "data", "iteration_1/scores", None, "scores", 3),
        (3, "data", "iteration_1/generations", None, "generations", 2),
        (3, "ranker", "reward_model", "r", None, None),
        (4, "sampler", "sft_policy", "s", None, None),
    ]
    assert found.filter(checkpoint_id="1")["experiment"].unique().to_list() == ["e"]
    assert found.filter(checkpoint_id="2", step=1)["asset"].to_list() == ["iteration_1/policy"]
    assert found.filter(checkpoint_id="orphan").is_empty()


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
