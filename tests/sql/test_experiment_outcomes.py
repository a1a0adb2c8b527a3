import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.measures.evaluation import contrast, summarise
from transforms.views.query import connect_frames, report

GOLD = {
    ("shared", 0, "sft_policy"): [(1.0, 2.0), (0.0, 0.0)],
    ("shared", 0, "one_shot/policy"): [(2.0, 2.0), (2.0, 2.0)],
    ("shared", 0, "offline_dpo"): [(2.0, 2.0), (1.0, 1.0)],
    ("iterative", 2, "iteration_2/policy"): [(3.0, 3.0), (1.0, 1.0)],
    ("iterative", 1, "iteration_1/policy"): [(9.0, 9.0), (9.0, 9.0)],
    ("concise", 1, "iteration_1/policy"): [(2.0, 1.0), (0.0, 2.0)],
}
"""Gold rewards of two responses to each of two prompts; the second iteration is selected."""

SELECTED = [("iterative", "iteration_2/policy"), ("concise", "iteration_1/policy")]


def results_of(responses):
    """`evaluation_results` of every model, and of every model against the SFT policy."""
    sft = responses.filter(model="sft_policy")
    parts = []
    for slice_, rows in responses.partition_by(
        "experiment", "iteration", "model", as_dict=True
    ).items():
        found = [summarise(rows)] + ([contrast(rows, sft)] if slice_[2] != "sft_policy" else [])
        named = {"experiment": pl.lit(slice_[0]), "iteration": pl.lit(slice_[1], pl.Int32)}
        parts.append(pl.concat(found).with_columns(**named))
    return pl.concat(parts).select(list(schema_of("evaluation_results")))


@pytest.fixture(scope="module")
def found():
    rows = [
        {"experiment": experiment, "iteration": iteration, "model": model, "split": split,
         "decoding": "sampled", "prompt_id": f"p{p}", "response_index": i, "gold_reward": gold,
         "reward": -gold, "kl_to_initial": 2.0, "response_chars": 4, "policy_id": model}
        for (experiment, iteration, model), prompts in GOLD.items()
        for p, golds in enumerate(prompts)
        for i, gold in enumerate(golds)
        for split in ("evaluation", "validation")
    ]  # fmt: skip
    responses = pl.DataFrame(rows, schema=schema_of("evaluation_responses"))
    frames = {
        "evaluation_responses": responses,
        "evaluation_results": results_of(responses),
        "selected_policies": pl.DataFrame(
            [{"experiment": experiment, "model": model} for experiment, model in SELECTED],
            schema=schema_of("selected_policies"),
        ),
    }
    with connect_frames(frames) as connection:
        return report(connection, "experiment_outcomes")


def test_rows_are_baselines_then_selected_iterates(found):
    assert found.select("experiment", "selected_iteration", "gold_reward", "prompts").rows() == [
        ("sft_policy", None, 0.75, 2),
        ("offline_dpo", None, 1.5, 2),
        ("one_shot", None, 2.0, 2),
        ("concise", 1, 1.25, 2),
        ("iterative", 2, 2.0, 2),
    ]


def test_errors_are_over_prompts(found):
    row = found.row(by_predicate=pl.col("experiment") == "iterative", named=True)
    assert row["gold_reward_se"] == pytest.approx(1.0)  # prompts 3 and 1
    assert row["kl_to_initial"] == 2.0
    assert row["kl_to_initial_se"] == 0.0


def test_differences_are_paired_by_prompt(found):
    rows = {row["experiment"]: row for row in found.iter_rows(named=True)}
    assert rows["iterative"]["gold_minus_offline_dpo"] == 0.5
    assert rows["iterative"]["gold_minus_offline_dpo_se"] == pytest.approx(0.5)
    assert rows["iterative"]["reward_minus_offline_dpo"] == -0.5
    assert rows["concise"]["gold_minus_iterative"] == -0.75
    assert rows["offline_dpo"]["gold_minus_iterative"] == -0.5
    assert rows["iterative"]["gold_minus_iterative"] is None
    assert rows["offline_dpo"]["gold_minus_offline_dpo"] is None


def test_wins_are_over_cross_pairs_with_pi_0(found):
    rows = {row["experiment"]: row for row in found.iter_rows(named=True)}
    # prompt 0: 2 over 1, 2 with 2, 1 with 1, 1 under 2; prompt 1: 0 with 0 twice, 2 over 0 twice
    assert rows["concise"]["win_rate_gold"] == pytest.approx((0.5 + 0.75) / 2)
    assert rows["sft_policy"]["win_rate_gold"] is None
