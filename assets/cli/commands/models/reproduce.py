"""The command `prefloop reproduce`: train a checkpoint again and compare the weights."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from assets.cli.commands.models.options import ModelName
from assets.cli.options import QUICKSTART_HOME, LakeHome, exit_on_bad_input
from assets.home import open_lake
from transforms.errors import InputError
from transforms.formats import shorten_id

EQUAL, NOT_EQUAL, NOT_COMPARABLE = 0, 1, 3
"""Exit codes; 2 is that of bad input."""

EXAMPLES = """
Examples:

\b
prefloop reproduce iterative/2
prefloop reproduce 2fac4e5480 --keep again    # keep the new checkpoint
prefloop sql "select asset, experiment, checkpoint_id from checkpoints"
"""


def reproduce(
    checkpoint: ModelName,
    home: LakeHome = QUICKSTART_HOME,
    keep: Annotated[
        Path | None,
        typer.Option(help="New folder for the checkpoint; without it, the checkpoint is removed."),
    ] = None,
) -> None:
    """Train a checkpoint again from its recorded inputs; exit code 0 if the weights are equal.

    The lake is only read, and no recipe is needed. Floating-point sums depend on
    threads, processor, GPU and libraries, which the lake records. If the weights
    differ, the exit code is 1 in the same environment, and 3 in another one
    (`not comparable`). OMP_NUM_THREADS sets the number of threads.
    """
    from assets.cli.reproduce import read_training, retrain
    from training.runs.environment import list_differences
    from training.runs.run_record import read_run
    from transforms.lake.records import checkpoints
    from transforms.lake.schemas.table import ORDER
    from transforms.teardown import quiet_teardown
    from transforms.views.lineage.outputs import read_lineage
    from transforms.views.lineage.subjects import find_subject

    with exit_on_bad_input():
        quiet_teardown()
        lake = open_lake(home)
        _require_new(keep)
        subject = find_subject(lake, read_lineage(lake), checkpoint)
        if subject.kind != "checkpoint":
            raise InputError(
                f"{checkpoint} is not a checkpoint",
                expected="the id of a trained model",
                found=f"a {subject.kind.replace('_', ' ')}",
                remedy="`prefloop lineage` shows the models it was made from",
            )
        rows = lake.read(checkpoints.TABLE, checkpoint_id=subject.name).sort(ORDER)
        training = read_training(lake, rows.row(0, named=True))
        read = ", ".join(f"{table}@{version}" for table, version in training.tables.items())
        models = ", ".join(
            f"{name} {shorten_id(path.name)}" for name, path in training.models.items()
        )
        if training.reference_id:
            models += f", reference {shorten_id(training.reference_id)}"
        typer.echo(
            f"{training.asset} [{training.experiment}]: {training.stage.name} on "
            f"{training.rows.height} rows of {read}; {models}; "
            f"seed {training.seed}, {training.dtype}"
        )
        scratch = tempfile.TemporaryDirectory() if keep is None else nullcontext(keep.parent)
        with scratch as folder:
            output = Path(folder) / "checkpoint" if keep is None else keep
            found = retrain(lake, training, output, report=_print_step)
            here = read_run(output).environment
    verdict, code = _judge(
        found == training.checkpoint_id, list_differences(training.environment, here)
    )
    typer.echo(f"recorded {training.checkpoint_id}\ntrained  {found}\n{verdict}")
    raise typer.Exit(code)


def _judge(equal: bool, differences: Sequence[str]) -> tuple[str, int]:
    """Return the last line of the output, and the exit code."""
    if equal:
        return "equal", EQUAL
    if differences:
        return f"not comparable: other {', other '.join(differences)}", NOT_COMPARABLE
    return "NOT equal", NOT_EQUAL


def _require_new(folder: Path | None) -> None:
    if folder is not None and folder.exists():
        raise InputError(
            f"{folder} exists",
            expected="a new folder",
            found="an existing one",
            remedy="choose another --keep",
        )


def _print_step(step: int, total: int, metrics: Mapping[str, float]) -> None:
    if "loss" in metrics:
        typer.echo(f"step {step}/{total}: loss {metrics['loss']:.6f}")
