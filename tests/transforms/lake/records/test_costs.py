import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.records import costs
from transforms.lake.schemas import schema_of
from transforms.views.query import connect, report

DPO = {"dpo": {"epochs": 2.0, "batch_size": 8}, "seed": 0}


def record(lake: Lake, before=None, **changes) -> dict:
    row = {
        "asset": "iteration_1/policy", "experiment": "a", "output_id": "c0ffee", "run_id": "r",
        "elapsed_s": 2.0, "metadata": {}, "settings": {},
    } | changes  # fmt: skip
    costs.record(lake, before or {}, **row)
    return costs.read_costs(lake).row(-1, named=True)


def metric(experiment: str, step: int, value: float) -> dict:
    keys = {"asset": "iteration_1/policy", "experiment": experiment, "metric": "num_tokens"}
    return {**keys, "step": step, "value": value}


def test_a_training_counts_examples_over_epochs_tokens_and_its_folder(tmp_path):
    lake = Lake(tmp_path)
    metrics = [metric("a", 1, 50.0), metric("a", 2, 90.0), metric("b", 9, 999.0)]
    lake.append("training_metrics", pl.DataFrame(metrics, schema=schema_of("training_metrics")))
    (tmp_path / "checkpoints" / "c0ffee" / "sub").mkdir(parents=True)
    (tmp_path / "checkpoints" / "c0ffee" / "weights").write_bytes(b"1" * 100)
    (tmp_path / "checkpoints" / "c0ffee" / "sub" / "more").write_bytes(b"1" * 10)
    before = costs.list_last_commits(lake)
    row = record(lake, before, metadata={"examples": 20, "optimiser_steps": 6}, settings=DPO)
    assert (row["rows"], row["tokens"], row["bytes"]) == (40, 90, 110)


def test_a_training_that_stopped_early_counts_its_steps():
    metadata = {"examples": 1000, "optimiser_steps": 3}
    assert costs.count_processed_rows(metadata, DPO) == 24


def test_a_table_counts_its_rows_and_the_files_of_its_commits(tmp_path):
    lake = Lake(tmp_path)
    rows = pl.DataFrame([{"experiment": "a", "iteration": 1}], schema=schema_of("scores"))
    lake.append("scores", rows)
    before = costs.list_last_commits(lake)
    old = set(tmp_path.rglob("*.parquet"))
    lake.append("scores", rows)
    lake.append("source_rows", pl.DataFrame(schema=schema_of("source_rows")).clear(1))
    written = set(tmp_path.rglob("*.parquet")) - old
    row = record(lake, before, metadata={"dagster/row_count": 2, "response_tokens": 7})
    assert (row["rows"], row["tokens"]) == (2, 7)
    assert row["bytes"] == sum(file.stat().st_size for file in written)


def test_the_report_sums_materializations_of_a_stage(tmp_path):
    lake = Lake(tmp_path)
    assert costs.read_costs(lake).is_empty()
    for elapsed_s in (1.0, 3.0):
        record(lake, elapsed_s=elapsed_s, metadata={"dagster/row_count": 5, "response_tokens": 8})
    record(lake, asset="reward_model", experiment="shared", elapsed_s=4.0)
    with connect(lake) as connection:
        found = report(connection, "stage_costs").sort("experiment")
    columns = ("experiment", "iteration", "stage", "materializations", "elapsed_s", "tokens")
    assert found.select(columns).rows() == [
        ("a", 1, "policy", 2, 4.0, 16),
        ("shared", 0, "reward_model", 1, 4.0, None),
    ]
    assert found["tokens_per_s"].to_list() == [4.0, None]
    assert found["share"].to_list() == [0.5, 0.5]
