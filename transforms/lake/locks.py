"""One writer per slice: only one run at a time makes an asset of an experiment.

Several runs may work in one lake. If two made the same slice, each would remove the rows of the
other as leftovers; so the second one waits, with a message. A lock ends with the process that has
it. Locks are files of one machine, or those of a database that several hosts share. Not here:
conflicts between single commits, which Delta resolves (`transforms.lake.commit`).
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from transforms.errors import InputError
from transforms.lake.asset_names import slice_file_name
from transforms.lake.lake import Lake
from transforms.lake.lockers.files import FileLocker
from transforms.lake.lockers.locker import Locker

POSTGRES = "PREFLOOP_POSTGRES"
"""Environment variable: SQLAlchemy address of a Postgres for locks across hosts, such as
postgresql+psycopg2://user@host/database."""


def open_locker(place: str, folder: Path) -> Locker:
    """Return the locks of a place: in Postgres if `PREFLOOP_POSTGRES` is set, else in a folder."""
    if url := os.environ.get(POSTGRES):
        from transforms.lake.lockers.postgres import PostgresLocker

        return PostgresLocker(url, place)
    return FileLocker(folder)


def find_locker(lake: Lake) -> Locker:
    """Return the locks of a lake."""
    return open_locker(str(lake.root), lake.store.work / "locks")


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
    locker, name = find_locker(lake), slice_file_name(asset, experiment)
    held = locker.try_acquire(name)
    waited = held is None
    if held is None:
        maker = locker.describe_owner(name)
        wait(f"{asset} [{experiment}] is being made by {maker}; waiting until it is finished")
        held = locker.acquire(name)
    try:
        yield waited
    finally:
        held.release()


def lock_all_slices(lake: Lake) -> AbstractContextManager[None]:
    """Lock all slices while the body runs.

    Raises:
        InputError: another process has one of the locks.
    """
    return find_locker(lake).exclude_all()


def check_locks(lake: Lake) -> str:
    """Take a lock twice: the second time, it must be refused. Return where the locks are.

    Raises:
        InputError: it is not, so two runs could make the same slice at the same time.
    """
    kind = "those of a database, for all hosts" if POSTGRES in os.environ else "files of this host"
    try:
        held = find_locker(lake).acquire("doctor")
        second = find_locker(lake).try_acquire("doctor")
        held.release()
        if second is None:
            return kind
        second.release()
        found = "a lock that two writers have"
    except Exception as error:  # of the file system, or of the database's driver
        found = f"{type(error).__name__}: {error}".splitlines()[0]
    raise InputError(
        "locks do not work",
        expected=kind,
        found=found,
        remedy=f"correct {POSTGRES}; without it, put the lake or PREFLOOP_CACHE on a file system "
        "with locks, such as a local disk or NFS from version 4 on",
    )
