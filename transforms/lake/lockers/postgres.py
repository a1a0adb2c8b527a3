"""Locks as advisory locks of Postgres: for the processes of all hosts that reach it.

Each lock has a connection of its own. Postgres frees it when the connection ends: with the process,
or about 15 s after its host is gone. All locks of a lake share one further lock, which maintenance
takes alone. Source: https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, NullPool, create_engine, text

from transforms.errors import InputError

KEEPALIVE = {"keepalives": 1, "keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2}
KEY = "hashtextextended(:key, 0)"
OWNER = f"""
    select application_name from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and granted
        and ((classid::bigint << 32) | objid::bigint) = {KEY}
"""


class AdvisoryLock:
    """A lock that this process has, and its connection."""

    def __init__(self, connection: Connection) -> None:
        """Store the connection."""
        self._connection = connection

    def release(self) -> None:
        """End the connection, and with it the lock."""
        self._connection.close()


class PostgresLocker:
    """Advisory locks, whose keys are hashes of the lake's place and the lock's name."""

    def __init__(self, url: str, lake: str) -> None:
        """Store the database's SQLAlchemy address and the lake's place; nothing is connected."""
        owner = f"process {os.getpid()} on {socket.gethostname()}"[:63]
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"application_name": owner, **KEEPALIVE},
        )
        self._lake = lake

    def try_acquire(self, name: str) -> AdvisoryLock | None:
        """Take a lock; None: another process has it."""
        connection = self._engine.connect()
        taken = self._call(connection, "pg_try_advisory_lock_shared", "") and self._call(
            connection, "pg_try_advisory_lock", name
        )
        if not taken:
            connection.close()
            return None
        return AdvisoryLock(connection)

    def acquire(self, name: str) -> AdvisoryLock:
        """Take a lock; waits until it is free."""
        connection = self._engine.connect()
        self._call(connection, "pg_advisory_lock_shared", "")
        self._call(connection, "pg_advisory_lock", name)
        return AdvisoryLock(connection)

    def describe_owner(self, name: str) -> str:
        """Describe the process that has a lock."""
        with self._engine.connect() as connection:
            owner = connection.execute(text(OWNER), {"key": self._key(name)}).scalar()
        return str(owner or "another process")

    @contextmanager
    def exclude_all(self) -> Iterator[None]:
        """Take the lock that all others share while the body runs.

        Raises:
            InputError: another process has a lock.
        """
        with self._engine.connect() as connection:
            if not self._call(connection, "pg_try_advisory_lock", ""):
                raise InputError(
                    "a run is active in the lake",
                    expected="no process that writes",
                    found=f"a lock of {self.describe_owner('')}",
                    remedy="wait until it is finished",
                )
            yield

    def _call(self, connection: Connection, function: str, name: str) -> object:
        return connection.execute(
            text(f"select {function}({KEY})"), {"key": self._key(name)}
        ).scalar()

    def _key(self, name: str) -> str:
        return f"prefloop {self._lake} {name}"
