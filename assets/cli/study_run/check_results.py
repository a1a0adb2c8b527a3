"""Results of a run's checks on the terminal: the one that stopped it, and warnings."""

from collections.abc import Sequence

import dagster as dg
from rich.markup import escape

from assets.logger import CONSOLE
from assets.materialize import CONCERN
from assets.staleness import name_of
from transforms.errors import InputError
from transforms.views.statements import read_description


def list_unmet(instance: dg.DagsterInstance, run_id: str) -> list[dg.AssetCheckEvaluation]:
    """Return the checks of a run that did not pass, in order."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    checks = [one.get_dagster_event().asset_check_evaluation_data for one in events]
    return [one for one in checks if not one.passed]


def failed_check_error(experiment: str, unmet: Sequence[dg.AssetCheckEvaluation]) -> InputError:
    """Return the error for a run that stopped at a check."""
    failed = next(one for one in unmet if one.severity == dg.AssetCheckSeverity.ERROR)
    rows = failed.metadata["failing_rows"].value
    passes, *_ = read_description("checks", failed.check_name).split(". ")
    return InputError(
        f"experiment {experiment} stopped at the check {failed.check_name} of "
        f"{name_of(failed.asset_key)}",
        expected=f"it {passes[0].lower()}{passes[1:]}",
        found=f"{rows} failing row{'' if rows == 1 else 's'}",
        remedy="prefloop ui shows the first rows at the checks of the asset",
    )


def print_concerns(experiment: str, warnings: Sequence[dg.AssetCheckEvaluation]) -> None:
    """Print the warnings of a run's checks again at its end."""
    for one in warnings:
        text = f"{name_of(one.asset_key)} [{experiment}]: {one.metadata[CONCERN].value}"
        CONSOLE.print(
            f"[yellow]warning[/yellow]  {escape(text)}  [dim]{one.check_name}[/dim]",
            highlight=False,
        )
