"""A study's folder: Dagster's run history and the lake side by side."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import InputError

if TYPE_CHECKING:
    from transforms.lake.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
INSTANCE = ROOT / "dagster_home" / "dagster.yaml"


def default_home(study: str) -> Path:
    """Folder of a study by default."""
    return ROOT / "dagster_home" / study


def prepare_home(home: Path) -> Path:
    """Make a study's folder: Dagster's settings beside its history, the lake below."""
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
            "no lake there",
            expected=f"Delta tables below {lake.root}",
            found="an empty folder" if home.exists() else "nothing",
            remedy="run one (prefloop run recipes/quickstart.yaml), or name its folder with --home",
        )
    return lake
