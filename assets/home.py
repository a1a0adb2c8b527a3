"""The home of a study: the folder of Dagster's run history and of the lake."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import InputError
from transforms.lake.store.registry import is_address

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


def place_lake(home: Path, lake: str | None) -> Path | str:
    """Return the place of a study's lake: the given one or, without it, the home's folder."""
    return lake or home / "lake"


def open_lake(place: Path | str) -> "Lake":
    """Open a lake.

    Args:
        place: folder of a study; or folder or address of a lake.

    Raises:
        InputError: there is no lake.
    """
    from transforms.lake.lake import Lake  # slow to import, and `--help` needs no lake

    folder = Path(place).expanduser() / "lake"
    lake = Lake(folder if folder.is_dir() else place)
    if not lake.tables():
        raise InputError(
            f"no lake in {place}",
            expected="Delta tables there, or in its folder lake",
            found="no tables",
            remedy="prefloop run recipes/quickstart.yaml makes a lake; --home selects the folder "
            "of another study, --lake a lake that is elsewhere",
        )
    return lake


def name_lake(place: Path | str) -> str:
    """Return the name of a lake among several: the last part of its place."""
    whole = str(place) if is_address(place) else str(Path(place).expanduser().resolve())
    return whole.rstrip("/").rpartition("/")[2]
