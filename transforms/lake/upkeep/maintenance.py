"""Upkeep of tables: compaction of small files, removal of unused files and versions, repair.

The last version of a table stays readable, and so does every version that the record of a
materialization or a checkpoint names as input or output. Not here: finding damaged files
(`transforms.lake.file_integrity`), folders of models (`transforms.lake.upkeep.unused_checkpoints`).
Source: Delta's optimize and vacuum, https://delta-io.github.io/delta-rs/usage/managing-tables/.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable

from transforms.lake.asset_names import iteration_number
from transforms.lake.commit import FILE_BYTES, KEEP_LOG, WRITER
from transforms.lake.file_integrity import Damaged, find_damaged_files
from transforms.lake.history import read_table_history
from transforms.lake.lake import Lake
from transforms.lake.locks import lock_all_slices
from transforms.lake.records import checkpoints, materializations
from transforms.lake.transaction_log import list_commits
from transforms.lake.upkeep.unused_versions import find_unused_versions, remove_versions

OUTPUT_ID = re.compile(r"(\w+)@(\d+)")
"""A version of a table, as records name it."""

MAINTENANCE = {
    "table": pl.String,
    "versions": pl.Int64,
    "versions_to_remove": pl.Int64,
    "referred_versions": pl.Int64,
    "oldest_referred": pl.Int64,
    "files": pl.Int64,
    "files_to_merge": pl.Int64,
    "files_to_remove": pl.Int64,
    "bytes_to_remove": pl.Int64,
}
"""Columns of the result, one row per table: what upkeep did or, in a dry run, would do. A dry run
counts the files and versions to remove before any merge."""


def maintain(lake: Lake, *, retention_hours: int, dry_run: bool) -> pl.DataFrame:
    """Merge small files, then remove versions that nothing refers to, with their files.

    Args:
        lake: the lake; no run may be active in it.
        retention_hours: keep versions that were replaced less than this many hours ago, and files
            that a commit removed since then.
        dry_run: change nothing.

    Returns:
        One row per table (`MAINTENANCE`).

    Raises:
        InputError: a run is active.
    """
    with lock_all_slices(lake):
        referred = list_referred_versions(lake)  # a run that ends now cannot add to them
        rows = [
            _maintain_table(lake, table, referred.get(table, []), retention_hours, dry_run)
            for table in lake.tables()
        ]
    return pl.DataFrame(rows, schema=MAINTENANCE)


def list_referred_versions(lake: Lake) -> dict[str, list[int]]:
    """List the versions that records name, by table, in ascending order."""
    named: set[tuple[str, int]] = set()
    for record, columns in {
        materializations.TABLE: ("output_id", "inputs", "tables"),
        checkpoints.TABLE: ("inputs",),
    }.items():
        if lake.exists(record):
            for column in columns:
                for text in lake.read(record)[column].drop_nulls().unique():
                    named |= {(table, int(version)) for table, version in OUTPUT_ID.findall(text)}
    return {
        table: sorted(version for other, version in named if other == table)
        for table in lake.tables()
        if any(other == table for other, _ in named)
    }


def repair(lake: Lake, *, dry_run: bool) -> pl.DataFrame:
    """Remove damaged files from their tables, so that the rest can be read again.

    Their rows are then missing in the last version. The assets that wrote these slices are recorded
    as stale, and the next run makes them again. A model is not trained again for the rows that its
    training wrote beside it, such as its accuracy.

    Returns:
        One row per damaged file: table, path, expected_bytes, found_bytes.

    Raises:
        InputError: a run is active.
    """
    found = []
    with lock_all_slices(lake):
        for table in lake.tables():
            delta = lake.delta(table)
            damaged = find_damaged_files(delta, lake.store, table)
            found += [{"table": table, **one._asdict()} for one in damaged]
            if damaged and not dry_run:
                _drop_files(lake, delta, table, damaged)
    sizes = {"expected_bytes": pl.Int64, "found_bytes": pl.Int64}
    return pl.DataFrame(found, schema={"table": pl.String, "path": pl.String, **sizes})


def _maintain_table(
    lake: Lake, table: str, referred: list[int], retention_hours: int, dry_run: bool
) -> dict[str, Any]:
    delta = lake.delta(table)
    versions = list_commits(lake.store, table)
    files, mergeable = _count_files(delta)
    if mergeable and not dry_run:
        delta.optimize.compact(
            target_size=FILE_BYTES, writer_properties=WRITER, post_commithook_properties=KEEP_LOG
        )
    vacuum = partial(
        delta.vacuum,
        retention_hours=retention_hours,
        enforce_retention_duration=False,
        full=True,  # also files that a killed writer left behind
        keep_versions=[version for version in referred if version in versions],
        post_commithook_properties=KEEP_LOG,
    )
    # vacuum also lists files that an earlier vacuum has removed
    listed = [f"tables/{table}/{unquote(path)}" for path in vacuum(dry_run=True)]
    sizes = [size for size in lake.store.measure(listed) if size is not None]
    if sizes and not dry_run:
        vacuum(dry_run=False)
    history = read_table_history(lake, [table])
    unused = find_unused_versions(
        dict(history.select("version", "timestamp").iter_rows()),
        referred,
        datetime.now(UTC) - timedelta(hours=retention_hours),
    )
    if unused and not dry_run:
        remove_versions(lake, table, unused)
    return {
        "table": table,
        "versions": len(versions),
        "versions_to_remove": len(unused),
        "referred_versions": len(referred),
        "oldest_referred": min(referred, default=None),
        "files": files,
        "files_to_merge": mergeable,
        "files_to_remove": len(sizes),
        "bytes_to_remove": sum(sizes),
    }


def _count_files(delta: DeltaTable) -> tuple[int, int]:
    """Count the files of a table, and the small ones in partitions with several small files."""
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    partition = pl.col("path").str.extract(r"^(.*/)").fill_null("")
    small = actions.filter(pl.col("size_bytes") < FILE_BYTES).group_by(partition.alias("in")).len()
    return actions.height, int(small.filter(pl.col("len") > 1)["len"].sum())


def _drop_files(lake: Lake, delta: DeltaTable, table: str, damaged: list[Damaged]) -> None:
    """Remove damaged files from a table, and record the assets that wrote their rows as stale."""
    for one in damaged:
        lake.store.remove(lake.locate(f"tables/{table}/{unquote(one.path)}"))
    delta.repair(post_commithook_properties=KEEP_LOG)
    lost = [dict(re.findall(r"(\w+)=([^/]+)/", unquote(one.path))) for one in damaged]
    for (asset, experiment), row in materializations.read_latest(lake).items():
        if any(_wrote(row, table, partition) for partition in lost):
            materializations.record(
                lake,
                asset=asset,
                experiment=experiment,
                output_id=row["output_id"],
                settings=json.dumps({"rows_lost": True}),
                inputs=row["inputs"],
                tables=row["tables"],
                run_id=row["run_id"],
                elapsed_s=0.0,
            )


def _wrote(row: Mapping[str, Any], table: str, partition: Mapping[str, str]) -> bool:
    """Check whether a recorded asset wrote rows of a partition, as its output or beside it.

    Args:
        row: the asset's last materialization.
        table: the table that lost rows.
        partition: values of the partition columns as text; empty in a table without partitions.
    """
    output = OUTPUT_ID.fullmatch(row["output_id"])
    if output is None:
        return False  # a model
    if output[1] == table and _is_output(row["asset"], row["experiment"], partition):
        return True
    written = materializations.read_written(row["tables"])
    return any(
        all(str(one.slice[name]) == partition[name] for name in one.slice.keys() & partition.keys())
        for one in written
        if one.table == table
    )


def _is_output(asset: str, experiment: str, partition: Mapping[str, str]) -> bool:
    """Check whether an asset's output is in a partition of its table."""
    if "experiment" not in partition:
        return True
    inside = experiment == partition["experiment"] and (
        partition.get("iteration") in (None, str(iteration_number(asset)))
    )
    return inside or asset.startswith(f"{partition['experiment']}/")
