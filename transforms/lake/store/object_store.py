"""A lake below a prefix of an object store: s3://, gs:// or az://.

An object appears whole or not at all, and can be created by one of several writers only (a
conditional put). Nothing is ever renamed. A model is a prefix with its files; the object
`files.json` with their sizes is written last, so a model without it is unfinished.
Source: https://developmentseed.org/obstore.
"""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError
from obstore.store import from_url

from transforms.cache import find_cache_folder
from transforms.errors import InputError
from transforms.lake.store import conditional_puts
from transforms.lake.store.folder import link
from transforms.lake.store.model_cache import keep_model
from transforms.lake.store.store import StoredFile, StoredFolder

if TYPE_CHECKING:
    from obstore import ObjectMeta

FILES = "files.json"
"""Record of a stored model: the bytes of its files by name."""
PARALLEL = 16
"""Requests at the same time."""


class ObjectStore:
    """A prefix of an object store; credentials come from the environment."""

    whole_files = True

    def __init__(self, address: str) -> None:
        """Store the address; nothing is read."""
        self.root = address
        self._objects = from_url(address)
        self._is_prepared = False

    @property
    def work(self) -> Path:
        """Return this lake's folder in the cache of this machine; it is created."""
        name = hashlib.sha256(self.root.encode()).hexdigest()[:16]
        folder = find_cache_folder() / "lakes" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def address(self, path: str) -> str:
        """Return the address of a path."""
        return f"{self.root}/{path}"

    def prepare(self) -> None:
        """Refuse a store in which concurrent writers would lose rows; tested once per lake."""
        if not self._is_prepared:
            with self._explain_refusal():
                conditional_puts.require_tested(self._objects, self.root)
            self._is_prepared = True

    def test(self) -> str:
        """Let writers race for the same objects."""
        with self._explain_refusal():
            conditional_puts.require_safe(self._objects, self.root)
        return f"one of {conditional_puts.WRITERS} racing writers wins"

    @contextmanager
    def _explain_refusal(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            raise InputError(
                f"{self.root} cannot be written",
                expected="a bucket that exists, and credentials in the environment",
                found=str(error).splitlines()[0],
                remedy="set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for a store "
                "that is not Amazon's, AWS_ENDPOINT_URL (with AWS_ALLOW_HTTP=true for http://)",
            ) from None

    def list_tables(self) -> list[str]:
        """Return the names of the tables, sorted; a first commit that was cut short makes none."""
        folders = obstore.list_with_delimiter(self._objects, "tables")["common_prefixes"]
        with ThreadPoolExecutor(PARALLEL) as pool:
            begun = list(pool.map(self._has_log, folders))
        return sorted(map(_name, compress(folders, begun)))

    def _has_log(self, folder: str) -> bool:
        logs = obstore.list(self._objects, f"{folder}/_delta_log", chunk_size=1)
        return next(iter(logs), None) is not None

    def list_files(self, path: str) -> list[StoredFile]:
        """Return all objects below a prefix, sorted by path."""
        return sorted(StoredFile(one["path"], one["size"]) for one in self._list(path))

    def describe_folders(self, path: str) -> list[StoredFolder]:
        """Describe the prefixes in a prefix, sorted by name; changed when an object was written."""
        sizes: dict[str, int] = defaultdict(int)
        newest: dict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=UTC))
        for one in self._list(path):
            name, inside, _ = one["path"].removeprefix(f"{path}/").partition("/")
            if inside:
                sizes[name] += one["size"]
                newest[name] = max(newest[name], one["last_modified"])
        return [StoredFolder(name, sizes[name], newest[name]) for name in sorted(sizes)]

    def measure(self, paths: Sequence[str]) -> list[int | None]:
        """Return the bytes of objects, from one listing; None: there is no such object."""
        if not paths:
            return []
        top = os.path.commonpath([path.rpartition("/")[0] for path in paths])
        sizes = {file.path: file.bytes for file in self.list_files(top)}
        return [sizes.get(path) for path in paths]

    def read(self, paths: Sequence[str]) -> Iterator[bytes]:
        """Read objects in order, several at the same time."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            yield from pool.map(self._read, paths)

    def move_in(self, file: Path, path: str) -> None:
        """Upload a file, and remove it on this machine."""
        obstore.put(self._objects, path, file)
        file.unlink()

    def remove(self, path: str) -> None:
        """Remove an object, or all objects below a prefix; the record of a model goes first."""
        paths = [file.path for file in self.list_files(path)] or [path]
        records = [one for one in paths if one.rpartition("/")[2] == FILES]
        for group in (records, [one for one in paths if one not in records]):
            self.remove_files(group)

    def remove_files(self, paths: Sequence[str]) -> None:
        """Remove objects, many per request."""
        if paths:
            obstore.delete(self._objects, list(paths))

    def add_model(self, folder: Path, path: str) -> Path:
        """Upload the files of a model, its record last; return its folder in the cache."""
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}
        if self._find_fault(path) is not None:
            for name in sizes:
                obstore.put(self._objects, f"{path}/{name}", folder / name)
            obstore.put(self._objects, f"{path}/{FILES}", json.dumps(sizes).encode())
        return keep_model(_name(path), sizes, lambda name, file: link(folder / name, file))

    def fetch_model(self, path: str) -> Path | None:
        """Return a model's folder in the cache, which is filled once per machine."""
        sizes = self._read_sizes(path)
        if sizes is None:
            return None
        return keep_model(_name(path), sizes, lambda name, file: self._fetch(path, name, file))

    def check_model(self, path: str, check: Callable[[Path], None]) -> None:
        """Check the sizes of a model's objects; its content was hashed before it was stored."""
        if (fault := self._find_fault(path)) is not None:
            raise InputError(
                f"model {self.address(path)} is not whole",
                expected=f"{FILES}, and the files that it lists",
                found=fault,
                remedy="run again: the model is trained again",
            )

    def _find_fault(self, path: str) -> str | None:
        """Return what a stored model lacks; None: nothing."""
        sizes = self._read_sizes(path)
        if sizes is None:
            return f"no {FILES}"
        found = {file.path: file.bytes for file in self.list_files(path)}
        wrong = [name for name, size in sizes.items() if found.get(f"{path}/{name}") != size]
        return f"missing or of another size: {', '.join(wrong)}" if wrong else None

    def _read_sizes(self, path: str) -> Mapping[str, int] | None:
        try:
            return dict(json.loads(self._read(f"{path}/{FILES}")))
        except FileNotFoundError:
            return None

    def _read(self, path: str) -> bytes:
        return bytes(obstore.get(self._objects, path).bytes())

    def _fetch(self, path: str, name: str, file: Path) -> None:
        with file.open("wb") as stream:
            for block in obstore.get(self._objects, f"{path}/{name}").stream():
                stream.write(block)

    def _list(self, path: str) -> "Iterator[ObjectMeta]":
        for found in obstore.list(self._objects, path):
            yield from found


def _name(path: str) -> str:
    return path.rpartition("/")[2]
