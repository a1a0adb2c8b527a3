"""What the lake knows of a model for its card: results with errors, trainings, sizes of its data.

Not here: its ancestors (`transforms.views.lineage.model_record`), the card
(`training.export.model_card`).
"""

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas.table import SHARED
from transforms.measures.training_curves import tabulate_last_values
from transforms.views.lineage.model_record import describe_model
from transforms.views.lineage.outputs import read_lineage

RESULT = ["decoding", "metric", "versus", "value", "standard_error", "prompts"]
BENCHMARK = ["benchmark", "metric", "value", "standard_error", "items", "note"]
LABELLED = ["bench", "model", "name", "value", "standard_error", "pairs"]


def describe_for_card(lake: Lake, row: Mapping[str, Any], study: str) -> dict[str, Any]:
    """Describe a model with its ancestors and its facts, as values that JSON can hold.

    Args:
        lake: the lake.
        row: the model's row of the table `checkpoints`.
        study: name of the study.

    Returns:
        The record of `transforms.views.lineage.model_record` and the values of `collect_facts`;
        of absolute paths only the last part.
    """
    record = describe_model(row, read_lineage(lake), study)
    return dict(hide_folders({**record, **collect_facts(lake, row, record["steps"])}))


def collect_facts(
    lake: Lake, row: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Collect the facts of a model and of what it was made from, as values that JSON can hold.

    Args:
        lake: the lake.
        row: the model's row of the table `checkpoints`.
        steps: steps of its record (`transforms.views.lineage.model_record.describe_model`).

    Returns:
        results: rows of `evaluation_results` of the evaluation prompts. benchmarks: rows of
        `benchmark_results` over all items. labelled_pairs: accuracies by section of the models in
        `steps` on sets of labelled pairs. trainings: the last loss, accuracy and margin of every
        training in `steps`. rows: number of rows by output id of the tables in `steps`.
    """
    ids = [step["output_id"] for step in steps]
    assets = [step["asset"] for step in steps]
    own = {"experiment": row["experiment"], "model": row["asset"]}
    of_model = {**own, "policy_id": row["checkpoint_id"]}
    results = lake.scan_or_empty("evaluation_results").filter(split="evaluation", **of_model)
    benchmarks = lake.scan_or_empty("benchmark_results").filter(subset="all", **of_model)
    labelled = lake.scan_or_empty("reward_bench_results").filter(
        pl.col("model_id").is_in(ids), level="section", metric="pair_accuracy"
    )
    trained = lake.scan_or_empty("training_metrics").filter(
        pl.col("asset").is_in(assets), pl.col("experiment").is_in([SHARED, row["experiment"]])
    )
    costs = lake.scan_or_empty("costs").filter(pl.col("output_id").is_in(ids)).collect()
    counts = costs.filter(pl.col("output_id").str.contains("@")).unique("output_id", keep="last")
    return {
        "results": results.select(RESULT).collect().to_dicts(),
        "benchmarks": benchmarks.select(BENCHMARK).collect().to_dicts(),
        "labelled_pairs": labelled.select(LABELLED)
        .unique(maintain_order=True)
        .collect()
        .to_dicts(),
        "trainings": tabulate_last_values(trained.collect()).to_dicts(),
        "rows": dict(counts.sort("output_id").select("output_id", "rows").iter_rows()),
    }


def hide_folders(value: Any) -> Any:
    """Replace absolute paths in a record by their last parts: others do not have the folders."""
    if isinstance(value, Mapping):
        return {name: hide_folders(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [hide_folders(one) for one in value]
    is_path = isinstance(value, str) and PurePath(value).is_absolute()
    return PurePath(value).name if is_path else value
