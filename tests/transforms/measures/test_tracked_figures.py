import polars as pl

from transforms.lake.schemas import schema_of
from transforms.measures.tracked_figures import list_points, select_last_figures


def test_figures_of_the_evaluation_prompts_are_one_point_per_iteration():
    row = {"split": "evaluation", "decoding": "sampled", "metric": "reward", "value": 1.0}
    rows = [
        {**row, "iteration": 2, "value": 2.0},
        {**row, "iteration": 1},
        {**row, "iteration": 1, "metric": "win_rate_reward", "versus": "sft_policy", "value": 0.5},
        {**row, "iteration": 1, "split": "validation"},
        {**row, "iteration": 1, "metric": "kl_to_initial", "value": None},
        {**row, "iteration": 1, "metric": "kl_to_initial", "value": float("nan")},
    ]
    results = pl.DataFrame(rows, schema=schema_of("evaluation_results"))
    assert list_points(results) == [
        (1, {"sampled/reward": 1.0, "sampled/win_rate_reward/sft_policy": 0.5}),
        (2, {"sampled/reward": 2.0}),
    ]
    assert select_last_figures(results) == {"sampled/reward": 2.0}
    assert select_last_figures(results.clear()) == {}
