"""The home of a study: the folder of Dagster's run history and of the lake."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.lake.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
INSTANCE = ROOT / "dagster_home" / "dagster.yaml"


def default_home(study: str) -> Path:
    """Return the default folder of a study."""
    return ROOT / "dagster_home" / study


def prepare_home(home: Path) -> Path:
    """Create a study's folder and copy Dagster's settings into it."""
    home = home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(INSTANCE, home / INSTANCE.name)
    return home


def open_lake(home: Path) -> "Lake":
    """Open the lake of a study's folder.

    Raises:
        InputError: there is no lake.
    """
    from transforms.lake.lake import Lake  # slow to import, and `--help` needs no lake

    lake = Lake(home / "lake")
    if not lake.tables():
        raise InputError(
            f"no lake in {home}",
            expected=f"Delta tables in {lake.root}",
            found="a folder without tables" if home.exists() else "no such folder",
            remedy="prefloop run recipes/quickstart.yaml makes one; --home selects another folder",
        )
    return lake
