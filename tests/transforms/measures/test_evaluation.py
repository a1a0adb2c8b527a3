import polars as pl
import pytest

from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.measures.evaluation import contrast, select_policies, summarise


def responses(rows, model="sft_policy", decoding="sampled", **constants):
    """Build evaluation responses from (prompt_id, reward, gold_reward)."""
    defaults = {
        "experiment": "shared",
        "iteration": 0,
        "model": model,
        "policy_id": f"id of {model}",
        "split": "evaluation",
        "decoding": decoding,
        "response": "",
        "response_tokens": 4,
        "response_chars": 10,
        "finish_reason": "stop",
        "policy_logp": -1.0,
        "reference_logp": -3.0,
        "kl_to_initial": 2.5,
    } | constants
    return pl.DataFrame(
        [
            {
                **defaults,
                "prompt_id": prompt,
                "response_index": n,
                "reward": reward,
                "gold_reward": gold,
            }
            for n, (prompt, reward, gold) in enumerate(rows)
        ],
        schema=schema_of("evaluation_responses"),
    )


def metric(rows, name):
    return rows.filter(metric=name).select("value", "standard_error", "prompts").row(0)


ROWS = [("p", 1.0, 0.0), ("p", 3.0, 1.0), ("q", 4.0, 2.0), ("q", 4.0, 5.0)]


def test_means_are_of_prompts_and_errors_clustered_by_prompt():
    summary = summarise(responses(ROWS))
    assert summary.columns == [
        "model", "policy_id", "split", "decoding", "metric", "versus", "value", "standard_error",
        "prompts", "low", "high",
    ]  # fmt: skip
    # prompt means 2 and 4: sd sqrt(2), over sqrt(2) prompts
    assert metric(summary, "reward") == pytest.approx((3.0, 1.0, 2))
    assert metric(summary, "gold_reward") == pytest.approx((2.0, 1.5, 2))
    assert metric(summary, "kl_to_initial") == pytest.approx((2.5, 0.0, 2))
    # p is ordered right (1), q is a tie of the reward (1/2)
    assert metric(summary, "reward_accuracy") == pytest.approx((0.75, 0.25, 2))
    assert metric(summary, "response_tokens")[0] == 4
    assert metric(summary, "truncated_fraction")[0] == 0
    assert summary["versus"].null_count() == summary.height


def test_intervals_are_over_prompts_and_hold_the_value():
    golds = [0.0, 1.0, 1.0, 2.0, 5.0, 3.0]
    rows = responses([(f"p{i}", gold, gold) for i, gold in enumerate(golds)])
    summary = summarise(rows).filter(metric="gold_reward").row(0, named=True)
    assert 0 < summary["low"] < summary["value"] < summary["high"] < 5
    alone = summarise(rows.filter(prompt_id="p1")).filter(metric="gold_reward")
    assert alone.select("value", "low", "high").row(0) == (1.0, None, None)
    # a model that is better by one on every prompt is so beyond doubt
    better = responses([(f"p{i}", gold + 1, gold) for i, gold in enumerate(golds)], model="b")
    found = contrast(better, rows).filter(metric="reward").row(0, named=True)
    assert (found["value"], found["low"], found["high"]) == (1.0, 1.0, 1.0)


def test_copies_of_a_response_do_not_shrink_the_error():
    summary = summarise(pl.concat([responses(ROWS)] * 5))
    assert metric(summary, "reward") == pytest.approx((3.0, 1.0, 2))


def test_metrics_without_values_are_absent():
    greedy = summarise(responses([("p", 1.0, None), ("q", 1.0, None)], decoding="greedy"))
    assert set(greedy["metric"]) == {
        "reward", "response_tokens", "response_chars", "truncated_fraction",
    }  # fmt: skip
    equal_gold = summarise(responses([("p", 1.0, 2.0), ("p", 2.0, 2.0)]))
    assert "reward_accuracy" not in set(equal_gold["metric"])
    assert metric(equal_gold, "reward")[1] is None


def test_splits_and_decodings_are_apart():
    both = pl.concat([responses(ROWS), responses([("p", 9.0, 9.0)], decoding="greedy")])
    summary = summarise(both)
    assert metric(summary.filter(decoding="greedy"), "reward")[0] == 9.0
    assert metric(summary.filter(decoding="sampled"), "reward")[0] == 3.0


def test_contrast_is_paired_by_prompt():
    better = [(prompt, reward + 1, gold + 2) for prompt, reward, gold in ROWS]
    rows = contrast(responses(better, model="iteration_1/policy"), responses(ROWS))
    assert set(rows["versus"]) == {"sft_policy"}
    assert set(rows["model"]) == {"iteration_1/policy"}
    assert metric(rows, "reward") == pytest.approx((1.0, 0.0, 2))
    assert metric(rows, "gold_reward") == pytest.approx((2.0, 0.0, 2))
    # p: 2, 4 against 1, 3 wins 3 of 4; q: 5, 5 against 4, 4 wins all
    assert metric(rows, "win_rate_reward") == pytest.approx((0.875, 0.125, 2))


def test_a_model_against_itself_wins_half():
    rows = contrast(responses(ROWS, model="a"), responses(ROWS, model="b"))
    assert metric(rows, "win_rate_reward")[0] == 0.5
    assert metric(rows, "win_rate_gold")[0] == 0.5


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(InputError, match="no common prompt"):
        contrast(responses(ROWS), responses([("other", 1.0, 1.0)], model="b"))
    with pytest.raises(InputError, match="rows of one model"):
        summarise(pl.concat([responses(ROWS), responses(ROWS, model="b")]))
    with pytest.raises(InputError, match="rows of one model"):
        summarise(responses([]))


def results(*values, **changes):
    row = {"experiment": "e", "split": "validation", "decoding": "sampled", "metric": "reward",
           "standard_error": 0.1, "prompts": 9, "policy_id": "x"} | changes  # fmt: skip
    rows = [
        {**row, "iteration": t, "model": f"iteration_{t}/policy", "value": v} for t, v in values
    ]
    return pl.DataFrame(rows, schema=schema_of("evaluation_results"))


def test_the_best_iterate_is_selected_and_the_earlier_on_a_tie():
    found = pl.concat(
        [
            results((3, 2.0), (2, 2.0), (1, 1.0), (0, 9.0)),
            results((1, 9.0), split="evaluation"),
            results((1, 9.0), decoding="greedy"),
            results((1, 9.0), metric="gold_reward"),
            results((1, 9.0), versus="sft_policy"),
        ]
    )
    row = select_policies(found, "reward")
    assert row.schema == pl.Schema(schema_of("selected_policies"))
    assert row["model"].to_list() == ["iteration_2/policy"]
    with pytest.raises(InputError, match="no policy can be selected"):
        select_policies(found, "response_tokens")
