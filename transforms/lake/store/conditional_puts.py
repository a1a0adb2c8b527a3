"""The test of an object store's conditional puts, by writers that race.

A Delta commit creates the object of the next version, if no other writer has created it
(`If-None-Match: *`). In a store that ignores the condition, every writer succeeds and the rows of
all but one are lost without an error. Some stores accept the condition and check it too late for
concurrent writers, so only a race shows it. The lake records a passed test.
Source: https://delta-io.github.io/delta-rs/usage/writing/writing-to-s3-with-locking-provider.
"""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import ObjectStore

from transforms.errors import InputError

if TYPE_CHECKING:
    from obstore import UpdateVersion

RECORD = "store_test.json"
"""Object at the top of the lake: when its store passed the test."""
WRITERS = 8
ROUNDS = 5
COUNTERS = 4
INCREMENTS = 5
"""Writers, and increments of each, of the test of If-Match."""


def require_tested(objects: ObjectStore, address: str) -> None:
    """Test a store, unless the lake records that it has passed.

    Raises:
        InputError: the store fails the test.
    """
    try:
        obstore.head(objects, RECORD)
    except FileNotFoundError:
        require_safe(objects, address)
        passed = {"passed_at": datetime.now(UTC).isoformat(), "writers": WRITERS, "rounds": ROUNDS}
        obstore.put(objects, RECORD, json.dumps(passed).encode())


def require_safe(objects: ObjectStore, address: str) -> None:
    """Test a store.

    Raises:
        InputError: the store fails the test.
    """
    if faults := find_faults(objects):
        raise InputError(
            f"{address} is in a store in which concurrent writers lose rows",
            expected="conditional puts, of which one of several writers succeeds",
            found="; ".join(faults),
            remedy="use a store with conditional writes, such as S3, GCS, Azure, MinIO or "
            "SeaweedFS from 4.17 on; prefloop doctor repeats the test",
        )


def find_faults(objects: ObjectStore) -> Sequence[str]:
    """Return the ways in which a store fails the test; none: it passes."""
    folder = f"store_test/{uuid4().hex}"
    try:
        faults = [_race_creations(objects, folder), _race_increments(objects, f"{folder}/number")]
    finally:
        left = [one["path"] for part in obstore.list(objects, folder) for one in part]
        obstore.delete(objects, left)
    return [fault for fault in faults if fault]


def _race_creations(objects: ObjectStore, folder: str) -> str | None:
    """Let all writers create the same objects; return what is wrong."""

    def create(path: str) -> bool:
        try:
            obstore.put(objects, path, b"x" * 2048, mode="create")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as pool:
        for turn in range(ROUNDS):
            winners = sum(pool.map(create, [f"{folder}/{turn}"] * WRITERS))
            if winners != 1:
                return f"{winners} of {WRITERS} writers created the same object (If-None-Match)"
    return None


def _race_increments(objects: ObjectStore, path: str) -> str | None:
    """Let all writers increment a number; return what is wrong."""
    obstore.put(objects, path, b"0")

    def increment(_: int) -> None:
        for _turn in range(INCREMENTS):
            while True:
                found = obstore.get(objects, path)
                read = {name: found.meta[name] for name in ("e_tag", "version")}
                number = int(bytes(found.bytes())) + 1
                known = {name: value for name, value in read.items() if value is not None}
                condition = cast("UpdateVersion", known)
                try:
                    obstore.put(objects, path, str(number).encode(), mode=condition)
                except PreconditionError:
                    continue
                break

    with ThreadPoolExecutor(COUNTERS) as pool:
        list(pool.map(increment, range(COUNTERS)))
    counted = int(bytes(obstore.get(objects, path).bytes()))
    expected = COUNTERS * INCREMENTS
    return None if counted == expected else f"{counted} of {expected} increments (If-Match)"
