"""Search for a policy of the lake by its name, to measure it on benchmarks.

Not here: its answers (`transforms.benchmarks.answer_table`).
"""

from transforms.benchmarks.answer_table import MeasuredModel
from transforms.formats import shorten_id
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import TABLE, Checkpoint, fetch
from transforms.lake.records.named_models import find_policy
from transforms.lake.schemas.table import ORDER


def find_measured_policy(lake: Lake, name: str) -> tuple[MeasuredModel, Checkpoint]:
    """Find a policy by its name.

    Args:
        lake: the lake.
        name: as in `named_models.find_model`.

    Returns:
        The model, as in the rows of benchmark tables, and its checkpoint. The model's name is the
        asset or, if a newer checkpoint has replaced this one, `<asset>@<id>`.

    Raises:
        InputError: as in `named_models.find_policy`.
    """
    row = find_policy(lake, name)
    rows = lake.read(TABLE, asset=row["asset"], experiment=row["experiment"]).sort(ORDER)
    checkpoint_id = row["checkpoint_id"]
    newest = rows["checkpoint_id"][-1] == checkpoint_id
    model = row["asset"] if newest else f"{row['asset']}@{shorten_id(checkpoint_id)}"
    return (
        MeasuredModel(row["experiment"], row["iteration"], model, checkpoint_id),
        fetch(lake, row),
    )
