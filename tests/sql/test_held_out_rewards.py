"""The proxy reward and independent rewards side by side, from literal results."""

import polars as pl

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report


def result(model, metric, value, versus=None, experiment="shared"):
    return {"experiment": experiment, "iteration": int(experiment != "shared"), "model": model,
            "split": "evaluation", "decoding": "sampled", "metric": metric, "versus": versus,
            "value": value, "standard_error": 0.1, "prompts": 9, "low": value - 0.2,
            "high": value + 0.2}  # fmt: skip


def test_each_reward_of_each_model_has_a_row_with_its_win_rate():
    policy = {"model": "iteration_1/policy", "experiment": "iterative"}
    rows = [
        result("sft_policy", "reward", 0.0),
        result("sft_policy", "followed", 0.4),
        result("sft_policy", "response_chars", 50.0),
        result(metric="reward", value=2.0, **policy),
        result(metric="followed", value=0.3, **policy),
        result(metric="followed", value=-0.1, versus="sft_policy", **policy),
        result(metric="win_rate_reward", value=0.9, versus="sft_policy", **policy),
        result(metric="win_rate_followed", value=0.45, versus="sft_policy", **policy),
        result(metric="win_rate_followed", value=0.1, versus="one_shot/policy", **policy),
    ]
    frame = pl.DataFrame(rows, schema=schema_of("evaluation_results"))
    with connect_frames({"evaluation_results": frame}) as connection:
        shown = report(connection, "held_out_rewards")
    assert shown.select("model", "ranker", "reward", "win_rate").rows() == [
        ("sft_policy", "reward", 0.0, None),
        ("iteration_1", "reward", 2.0, 0.9),
        ("sft_policy", "followed", 0.4, None),
        ("iteration_1", "followed", 0.3, 0.45),
    ]
    assert shown.row(0, named=True)["reward_high"] == 0.2
