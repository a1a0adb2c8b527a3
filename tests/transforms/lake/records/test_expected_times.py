import polars as pl

from transforms.lake.records.expected_times import expect_seconds
from transforms.lake.schemas import schema_of

COSTS = [
    ("iteration_1/policy", "one", 1.0),
    ("iteration_1/policy", "one", 2.0),
    ("iteration_1/policy", "two", 3.0),
    ("sft_policy", "shared", 4.0),
]


def test_the_last_and_nearest_materialization_counts() -> None:
    rows = [
        {"asset": asset, "experiment": experiment, "elapsed_s": seconds, "commit_version": version}
        for version, (asset, experiment, seconds) in enumerate(COSTS)
    ]
    assets = ("iteration_1/policy", "iteration_2/policy", "sft_policy", "policy", "one_shot/policy")
    costs = pl.DataFrame(rows, schema_of("costs"))
    assert expect_seconds(costs, assets, "one") == {
        "iteration_1/policy": 2.0, "iteration_2/policy": 3.0, "sft_policy": 4.0, "policy": 3.0,
    }  # fmt: skip
    assert expect_seconds(costs, assets, "new")["iteration_1/policy"] == 3.0
    assert expect_seconds(costs.clear(), assets, "one") == {}
