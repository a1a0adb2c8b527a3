"""Search for a policy of the lake by the first digits of its checkpoint id.

Not here: its answers (`transforms.benchmarks.answer_table`).
"""

import polars as pl

from transforms.benchmarks.answer_table import MeasuredModel
from transforms.errors import InputError
from transforms.formats import SHORTEST_ID, shorten_id
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.schemas.table import ORDER

POLICY = "causal_lm"
"""Kind of the checkpoints that benchmarks can measure."""


def find_policy(lake: Lake, checkpoint: str) -> tuple[MeasuredModel, Checkpoint]:
    """Find a policy by the first digits of its checkpoint id.

    Returns:
        The model, as in the rows of benchmark tables, and its checkpoint. The model's name is the
        asset or, if a newer checkpoint has replaced this one, `<asset>@<id>`.

    Raises:
        InputError: no checkpoint or several begin with these digits, or it is not a policy.
    """
    rows = lake.read(checkpoints.TABLE).sort(ORDER)
    found = rows.filter(pl.col("checkpoint_id").str.starts_with(checkpoint))
    ids = found["checkpoint_id"].unique(maintain_order=True).to_list()
    kinds = found["kind"].unique().to_list()
    if len(checkpoint) < SHORTEST_ID or len(ids) != 1 or kinds != [POLICY]:
        raise InputError(
            f"no policy has the id {checkpoint}",
            expected=f"the id of one {POLICY}, or its first {SHORTEST_ID} digits or more",
            found=", ".join(f"{shorten_id(known)} ({'/'.join(kinds)})" for known in ids[:5])
            or "no such id",
            remedy='prefloop sql "select asset, experiment, checkpoint_id, kind from checkpoints"',
        )
    row = found.row(-1, named=True)
    newest = rows.filter(asset=row["asset"], experiment=row["experiment"])["checkpoint_id"][-1]
    model = row["asset"] if newest == ids[0] else f"{row['asset']}@{shorten_id(ids[0])}"
    return (
        MeasuredModel(row["experiment"], row["iteration"], model, ids[0]),
        Checkpoint(ids[0], lake.locate(row["path"])),
    )
