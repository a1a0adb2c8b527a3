"""One writer per slice: only one run at a time makes an asset of an experiment.

Several runs may work in one lake. If two made the same slice, each would remove the rows of the
other as leftovers; so the second one waits, with a message. The operating system releases the lock
when the process that has it ends, for whatever reason. The lock works wherever the file system's
locks do: always on one machine, and over NFS from version 4 on. Not here: conflicts between single
commits, which Delta resolves (`transforms.lake.commit`).
"""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from transforms.errors import InputError
from transforms.lake.asset_names import slice_file_name
from transforms.lake.lake import Lake


@contextmanager
def lock_slice(
    lake: Lake, asset: str, experiment: str, *, wait: Callable[[str], None]
) -> Iterator[bool]:
    """Lock the slice of an asset while the body runs.

    Args:
        lake: the lake.
        asset: the asset.
        experiment: its partition, or `shared`.
        wait: called once with a message if another process has the lock.

    Yields:
        Whether another process had the lock before.
    """
    name = slice_file_name(asset, experiment)
    folder = lake.store.work / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(folder / f"{name}.lock"), folder / f"{name}.owner"
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        maker = _describe_owner(owner)
        wait(f"{asset} [{experiment}] is being made by {maker}; waiting until it is finished")
        lock.acquire()
    try:
        owner.write_text(
            json.dumps({"host": socket.gethostname(), "process": os.getpid()}), encoding="utf-8"
        )
        yield waited
    finally:
        lock.release()


@contextmanager
def lock_all_slices(lake: Lake) -> Iterator[None]:
    """Lock all slices that were ever written.

    Raises:
        InputError: another process has one of the locks.
    """
    with ExitStack() as locks:
        for file in sorted((lake.store.work / "locks").glob("*.lock")):
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


def check_locks(lake: Lake) -> str:
    """Take a lock twice: the second time, it must be refused.

    Raises:
        InputError: it is not, so two runs could make the same slice at the same time.
    """
    folder = lake.store.work / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ".doctor"
    try:
        with FileLock(file, timeout=0), FileLock(file, timeout=0):
            found = "a lock that two writers have"
    except Timeout:
        return f"files in {folder}, for the processes of this machine"
    except OSError as error:
        found = str(error)
    raise InputError(
        f"file locks do not work in {folder}",
        expected="a file system with locks, such as a local disk or NFS from version 4 on",
        found=found,
        remedy="put the lake on another file system; for a lake in an object store, PREFLOOP_CACHE",
    )


def _describe_owner(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return "another process"  # it has the lock, but has not written the owner file yet
    return f"process {found['process']} on {found['host']}"
