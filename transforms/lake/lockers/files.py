"""Locks as files of a folder: for the processes of one machine, and over NFS from version 4 on."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from transforms.errors import InputError


class FileLocker:
    """Locks of the operating system on files, with the owner's name beside each."""

    def __init__(self, folder: Path) -> None:
        """Store the folder, which is created with the first lock."""
        self._folder = folder

    def try_acquire(self, name: str) -> BaseFileLock | None:
        """Take a lock; None: another process has it."""
        try:
            return self._acquire(name, timeout=0)
        except Timeout:
            return None

    def acquire(self, name: str) -> BaseFileLock:
        """Take a lock; waits until it is free."""
        return self._acquire(name, timeout=-1)

    def _acquire(self, name: str, timeout: float) -> BaseFileLock:
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._folder / f"{name}.lock")
        lock.acquire(timeout=timeout)
        owner = {"host": socket.gethostname(), "process": os.getpid()}
        self._find_owner(name).write_text(json.dumps(owner), encoding="utf-8")
        return lock

    def describe_owner(self, name: str) -> str:
        """Describe the process that has a lock."""
        try:
            found = json.loads(self._find_owner(name).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return "another process"  # it has the lock, but has not written the owner file yet
        return f"process {found['process']} on {found['host']}"

    def _find_owner(self, name: str) -> Path:
        return self._folder / f"{name}.owner"

    @contextmanager
    def exclude_all(self) -> Iterator[None]:
        """Take all locks that were ever taken while the body runs.

        Raises:
            InputError: another process has one.
        """
        with ExitStack() as locks:
            for file in sorted(self._folder.glob("*.lock")):
                try:
                    locks.enter_context(FileLock(file).acquire(timeout=0))
                except Timeout:
                    raise InputError(
                        "a run is active in the lake",
                        expected="no process that writes",
                        found=f"{file.stem.replace('__', ' ')} is being made",
                        remedy="wait until it is finished",
                    ) from None
            yield
