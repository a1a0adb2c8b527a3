"""One writer a slice: an asset of an experiment is made by one run at a time.

Two runs may work in one lake; two that make the same slice would each take the other's rows for
leftovers. The second waits, and says for whom. The lock is the operating system's, so that it ends
with the process that holds it, however that ends. It reaches as far as the file system's locks do:
on one machine always, over NFS from version 4 on. Not here: conflicts of single commits
(`transforms.lake.lake`), which Delta itself resolves.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from transforms.lake.lake import Lake


@contextmanager
def lock_slice(
    lake: Lake, asset: str, experiment: str, *, wait: Callable[[str], None]
) -> Iterator[bool]:
    """Hold the lock of an asset's slice while the body runs.

    Args:
        lake: the lake.
        asset: the asset.
        experiment: its partition, or `shared`.
        wait: called once with a message when another process holds the lock.

    Yields:
        Whether another process held it before.
    """
    name = f"{asset.replace('/', '__')}__{experiment}"
    folder = lake.root / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock, owner = FileLock(folder / f"{name}.lock"), folder / f"{name}.owner"
    waited = False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waited = True
        wait(f"{asset} [{experiment}] is being made by {_who(owner)}; waiting until it is done")
        lock.acquire()
    try:
        owner.write_text(
            json.dumps({"host": socket.gethostname(), "process": os.getpid()}), encoding="utf-8"
        )
        yield waited
    finally:
        lock.release()


def _who(owner: Path) -> str:
    try:
        found = json.loads(owner.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return "another process"  # that has the lock, and has not yet written who it is
    return f"process {found['process']} on {found['host']}"
