"""The home of a study: the folder of Dagster's run history and of the lake."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from transforms.errors import InputError
from transforms.lake.store.registry import is_address

if TYPE_CHECKING:
    from transforms.lake.lake import Lake

ROOT = Path(__file__).resolve().parents[1]
INSTANCE = ROOT / "dagster_home" / "dagster.yaml"
TEAM = ROOT / "dagster_home" / "team" / "dagster.yaml"
"""Dagster's settings where `PREFLOOP_POSTGRES` is set: the history is in that database."""
DRIVER = "postgresql+psycopg2://"


def default_home(study: str) -> Path:
    """Return the default folder of a study."""
    return ROOT / "dagster_home" / study


def prepare_home(home: Path) -> Path:
    """Create a study's folder and copy Dagster's settings into it.

    Raises:
        InputError: the history is in a Postgres that cannot be used from here.
    """
    from transforms.lake.locks import POSTGRES  # slow to import, and `--help` needs no lake

    address = os.environ.get(POSTGRES)
    settings = INSTANCE if address is None else _require_team(POSTGRES, address)
    home = home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(settings, home / settings.name)
    return home


def _require_team(variable: str, address: str) -> Path:
    """Return a team's settings, if Dagster can use a variable's database from here."""
    if not address.startswith(DRIVER):
        raise InputError(
            f"{variable} is refused",
            expected=f"{DRIVER}user:password@host/database",
            found=f"{address.partition('://')[0]}://",
            remedy=f"begin it with {DRIVER}: without the driver, SQLAlchemy takes another one",
        )
    missing = [name for name in ("psycopg2", "dagster_postgres") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"a package for {variable} is missing",
            expected=f"the module {missing[0]}",
            found="no such module in this environment",
            remedy="pip install 'prefloop[team]'",
        )
    return TEAM


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
