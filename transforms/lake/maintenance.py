"""Upkeep of the lake: many small files become few, files that nothing refers to go, repair.

Lives here: compaction, vacuum, and giving up rows whose files are damaged. Not here: finding damage
(`transforms.lake.file_integrity`). A version of a table that a materialization or a checkpoint
names, as what it made or what it read, stays readable for ever; the last version always does.
Source: Delta's optimize and vacuum, https://delta-io.github.io/delta-rs/usage/managing-tables/.
"""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import unquote

import polars as pl
from deltalake import DeltaTable
from filelock import FileLock, Timeout

from transforms.errors import InputError
from transforms.lake.asset_names import iteration_number
from transforms.lake.commit import FILE_BYTES, KEEP_LOG, WRITER
from transforms.lake.file_integrity import Damaged, find_damaged_files
from transforms.lake.history import read_table_history
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations

OUTPUT_ID = re.compile(r"(\w+)@(\d+)")
"""A table at a version, as records name it."""

MAINTENANCE = {
    "table": pl.String,
    "versions": pl.Int64,
    "referred_versions": pl.Int64,
    "oldest_referred": pl.Int64,
    "files": pl.Int64,
    "files_to_merge": pl.Int64,
    "files_to_remove": pl.Int64,
    "bytes_to_remove": pl.Int64,
}
"""One row per table: what upkeep does, or, in a dry run, would do before anything is merged."""


def maintain(lake: Lake, *, retention_hours: int, dry_run: bool) -> pl.DataFrame:
    """Merge small files, then remove files of versions that nothing refers to.

    Args:
        lake: the lake; a run that is going on in it is an error.
        retention_hours: files that a commit removed later than so many hours ago stay.
        dry_run: only look.

    Returns:
        One row per table (`MAINTENANCE`).

    Raises:
        InputError: a run is going on.
    """
    referred = list_referred_versions(lake)
    with _nobody_writing(lake):
        rows = [
            _maintain_table(lake, table, referred.get(table, []), retention_hours, dry_run)
            for table in lake.tables()
        ]
    return pl.DataFrame(rows, schema=MAINTENANCE)


def list_referred_versions(lake: Lake) -> dict[str, list[int]]:
    """List the versions that records name, by table, in order."""
    named: set[tuple[str, int]] = set()
    for record, columns in {
        materializations.TABLE: ("output_id", "inputs"),
        checkpoints.TABLE: ("inputs",),
    }.items():
        if lake.exists(record):
            for column in columns:
                for text in lake.read(record)[column].unique():
                    named |= {(table, int(version)) for table, version in OUTPUT_ID.findall(text)}
    return {
        table: sorted(version for other, version in named if other == table)
        for table in lake.tables()
        if any(other == table for other, _ in named)
    }


def repair(lake: Lake, *, dry_run: bool) -> pl.DataFrame:
    """Give up the files of tables that are gone or cut short, so that the rest can be read again.

    The rows that they held are gone from the last version. The assets that wrote their slice are
    recorded as to be made again, which the next run does.

    Returns:
        One row per damaged file: table, path, expected_bytes, found_bytes.

    Raises:
        InputError: a run is going on.
    """
    found = []
    with _nobody_writing(lake):
        for table in lake.tables():
            delta = lake.delta(table)
            damaged = find_damaged_files(delta, lake.path(table))
            found += [{"table": table, **one._asdict()} for one in damaged]
            if damaged and not dry_run:
                _give_up(lake, delta, table, damaged)
    schema = {"table": pl.String, "path": pl.String}
    schema |= {"expected_bytes": pl.Int64, "found_bytes": pl.Int64}
    return pl.DataFrame(found, schema=schema)


def _maintain_table(
    lake: Lake, table: str, referred: list[int], retention_hours: int, dry_run: bool
) -> dict[str, Any]:
    delta = lake.delta(table)
    versions = read_table_history(lake, [table])["version"]
    files, mergeable = _mergeable_files(delta)
    if mergeable and not dry_run:
        delta.optimize.compact(
            target_size=FILE_BYTES, writer_properties=WRITER, post_commithook_properties=KEEP_LOG
        )
    vacuum = {
        "retention_hours": retention_hours,
        "enforce_retention_duration": False,
        "full": True,  # what a killed writer left behind, too
        "keep_versions": [version for version in referred if version in versions],
        "post_commithook_properties": KEEP_LOG,
    }
    # vacuum lists files that an earlier one has removed as well
    listed = [lake.path(table) / unquote(path) for path in delta.vacuum(dry_run=True, **vacuum)]
    sizes = [file.stat().st_size for file in listed if file.exists()]
    if sizes and not dry_run:
        delta.vacuum(dry_run=False, **vacuum)
    return {
        "table": table,
        "versions": versions.len(),
        "referred_versions": len(referred),
        "oldest_referred": min(referred, default=None),
        "files": files,
        "files_to_merge": mergeable,
        "files_to_remove": len(sizes),
        "bytes_to_remove": sum(sizes),
    }


def _mergeable_files(delta: DeltaTable) -> tuple[int, int]:
    """Count a table's files, and those that lie with others in a partition and are small."""
    actions = pl.DataFrame(delta.get_add_actions(flatten=True))
    partition = pl.col("path").str.extract(r"^(.*/)").fill_null("")
    small = actions.filter(pl.col("size_bytes") < FILE_BYTES).group_by(partition.alias("in")).len()
    return actions.height, int(small.filter(pl.col("len") > 1)["len"].sum())


def _give_up(lake: Lake, delta: DeltaTable, table: str, damaged: list[Damaged]) -> None:
    """Take damaged files out of a table, and have their slices made again."""
    for one in damaged:
        (lake.path(table) / unquote(one.path)).unlink(missing_ok=True)
    delta.repair(post_commithook_properties=KEEP_LOG)
    slices = [dict(re.findall(r"(\w+)=([^/]+)/", unquote(one.path))) for one in damaged]
    for (asset, experiment), row in materializations.read_latest(lake).items():
        if row["output_id"].startswith(f"{table}@") and any(
            _wrote(asset, experiment, slice_) for slice_ in slices
        ):
            materializations.record(
                lake,
                asset=asset,
                experiment=experiment,
                output_id=row["output_id"],
                settings=json.dumps({"rows_lost": True}),
                inputs=row["inputs"],
                run_id=row["run_id"],
                elapsed_s=0.0,
            )


def _wrote(asset: str, experiment: str, slice_: dict[str, str]) -> bool:
    """Tell whether an asset writes a slice; all rows of a table that has none are its own."""
    if "experiment" not in slice_:
        return True
    inside = experiment == slice_["experiment"] and (
        str(iteration_number(asset)) == slice_.get("iteration")
    )
    return inside or asset.startswith(f"{slice_['experiment']}/")


@contextmanager
def _nobody_writing(lake: Lake) -> Iterator[None]:
    """Hold the locks of all slices that were ever written."""
    with ExitStack() as held:
        for file in sorted((lake.root / "locks").glob("*.lock")):
            try:
                held.enter_context(FileLock(file).acquire(timeout=0))
            except Timeout:
                raise InputError(
                    "a run is going on in the lake",
                    expected="nobody writing",
                    found=f"{file.stem.replace('__', ' ')} is being made",
                    remedy="wait until it is done",
                ) from None
        yield
