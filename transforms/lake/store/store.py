"""The interface of the place where a lake's files are.

Paths are relative to the lake, with `/` between their parts. Not here: the places themselves
(`transforms.lake.store.registry` lists them), tables (`transforms.lake.lake`).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol


class StoredFile(NamedTuple):
    """A file of the lake."""

    path: str
    bytes: int


class StoredFolder(NamedTuple):
    """A folder of the lake with all that is below it."""

    name: str
    bytes: int
    modified_at: datetime
    """When it was changed last, in UTC."""


class Store(Protocol):
    """A place of files: tables below `tables/`, models below `checkpoints/`."""

    whole_files: bool
    """Whether a file appears with all of its bytes or not at all."""

    @property
    def root(self) -> Path | str:
        """Return the folder or the address of the lake."""

    @property
    def work(self) -> Path:
        """Return the folder on this machine for unfinished models, locks and temporary files."""

    def address(self, path: str) -> str:
        """Return the place of a path as Delta reads it."""

    def prepare(self) -> None:
        """Make the place ready for the first write.

        Raises:
            InputError: concurrent writers would lose rows there.
        """

    def test(self) -> str:
        """Test the place and return a line about it; nothing stays there.

        Raises:
            InputError: it cannot be used, or concurrent writers would lose rows there.
        """

    def list_tables(self) -> list[str]:
        """Return the names of the tables that have a transaction log, sorted."""

    def list_files(self, path: str) -> list[StoredFile]:
        """Return all files below a folder, sorted by path; none if there is no such folder."""

    def describe_folders(self, path: str) -> list[StoredFolder]:
        """Describe the folders in a folder, sorted by name."""

    def measure(self, paths: Sequence[str]) -> list[int | None]:
        """Return the bytes of files; None: there is no such file."""

    def read(self, paths: Sequence[str]) -> Iterator[bytes]:
        """Read small files in order.

        Raises:
            FileNotFoundError: there is no such file.
        """

    def move_in(self, file: Path, path: str) -> None:
        """Move a file of the folder `work` to a path."""

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is below it."""

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove files that exist."""

    def add_model(self, folder: Path, path: str) -> Path:
        """Store the files of a model folder below a path; return a folder with them.

        The model is visible when all of its files are there. What is stored below the path already
        is the same model, or was damaged since.
        """

    def fetch_model(self, path: str) -> Path | None:
        """Return a folder on this machine with a model's files; None: there is no such model."""

    def check_model(self, path: str, check: Callable[[Path], None]) -> None:
        """Check that a model is whole, without fetching it.

        Args:
            path: its path.
            check: checks a folder on a disk.

        Raises:
            InputError: files are missing or have other sizes.
        """
