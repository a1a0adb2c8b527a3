"""A lake in a folder of a disk."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from transforms.lake.store.store import StoredFile, StoredFolder


class Folder:
    """A folder; nothing is created before the first write."""

    whole_files = False

    def __init__(self, root: Path | str) -> None:
        """Store the folder's absolute path."""
        self.root = Path(root).expanduser().resolve()

    @property
    def work(self) -> Path:
        """Return the folder itself."""
        return self.root

    def address(self, path: str) -> str:
        """Return the absolute path."""
        return str(self.root / path)

    def prepare(self) -> None:
        """Do nothing: Delta's writer makes folders, and renames of files exclude each other."""

    def test(self) -> str:
        """Return the free space of the disk."""
        disk = next(one for one in (self.root, *self.root.parents) if one.exists())
        return f"a folder, {shutil.disk_usage(disk).free / 1e9:.0f} GB free"

    def list_tables(self) -> list[str]:
        """Return the names of the tables, sorted."""
        return sorted(log.parent.name for log in (self.root / "tables").glob("*/_delta_log"))

    def list_files(self, path: str) -> list[StoredFile]:
        """Return all files below a folder, sorted by path."""
        return [
            StoredFile(str(file.relative_to(self.root)), file.stat().st_size)
            for file in sorted((self.root / path).rglob("*"))
            if file.is_file()
        ]

    def describe_folders(self, path: str) -> list[StoredFolder]:
        """Describe the folders in a folder, sorted by name."""
        return [
            StoredFolder(
                folder.name,
                sum(file.bytes for file in self.list_files(f"{path}/{folder.name}")),
                datetime.fromtimestamp(folder.stat().st_mtime, UTC),
            )
            for folder in sorted((self.root / path).glob("*"))
            if folder.is_dir()
        ]

    def measure(self, paths: Sequence[str]) -> list[int | None]:
        """Return the bytes of files; None: there is no such file."""
        return [self._measure(path) for path in paths]

    def _measure(self, path: str) -> int | None:
        try:
            return (self.root / path).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, paths: Sequence[str]) -> Iterator[bytes]:
        """Read files in order."""
        return ((self.root / path).read_bytes() for path in paths)

    def move_in(self, file: Path, path: str) -> None:
        """Rename a file of this folder."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        file.rename(self.root / path)

    def remove(self, path: str) -> None:
        """Remove a file, or a folder with all that is below it."""
        place = self.root / path
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove files."""
        for path in paths:
            (self.root / path).unlink()

    def add_model(self, folder: Path, path: str) -> Path:
        """Link the files of a model folder below a path, so that they take no room twice."""
        target = self.root / path
        new, replaced = (target.with_name(f".{target.name}.{part}") for part in ("new", "replaced"))
        for unfinished in (new, replaced):
            shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(folder, new, copy_function=link)
        if target.exists():  # with the same content by its name, but it may have been damaged since
            target.rename(replaced)
        new.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
        return target

    def fetch_model(self, path: str) -> Path | None:
        """Return the folder of a model; None: there is no such folder."""
        place = self.root / path
        return place if place.is_dir() else None

    def check_model(self, path: str, check: Callable[[Path], None]) -> None:
        """Check the folder of a model."""
        check(self.root / path)


def link(source: Path | str, target: Path | str) -> None:
    """Link a file; copy it where there are no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
