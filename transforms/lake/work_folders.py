"""Folders for temporary files beside a lake's locks, on this machine; a killed run leaves them.

Their removal after a kill is in `transforms.lake.upkeep.leftover_folders`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

Kind = Literal["staged", "grouped", "prompts"]
"""`staged`: parts of a slice that is replaced; `grouped`: a table that is read by groups;
`prompts`: distinct prompts. Only an asset that has the lock of a slice makes one
(`transforms.lake.locks`)."""


@contextmanager
def open_work_folder(work: Path, kind: Kind) -> Iterator[Path]:
    """Make a folder in the folder `work` of a store; remove it when the block ends."""
    work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=work, prefix=f"{kind}-") as folder:
        yield Path(folder)


def list_work_folders(work: Path) -> list[Path]:
    """List the folders that `open_work_folder` made and nobody removed, sorted."""
    return sorted(folder for kind in get_args(Kind) for folder in work.glob(f"{kind}-*"))
