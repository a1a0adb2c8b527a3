"""Queries that Ctrl-C stops."""

from concurrent.futures import ThreadPoolExecutor, wait

import duckdb
import polars as pl

from transforms.views import query

POLL_S = 0.05
"""Time between two looks for Ctrl-C while a query runs, in seconds."""


def query_until_interrupted(connection: duckdb.DuckDBPyConnection, statement: str) -> pl.DataFrame:
    """Run one statement; Ctrl-C stops it.

    The query runs in a thread of its own. The main thread looks for Ctrl-C between short waits,
    because Python handles a signal in that thread only, and the system can deliver it to another
    one, which ends no wait.

    Raises:
        InputError: see `query`.
        KeyboardInterrupt: Ctrl-C; the connection can be used again.
    """
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(query.query, connection, statement)
        try:
            while not future.done():
                wait([future], timeout=POLL_S)
        except KeyboardInterrupt:
            while not future.done():  # an interrupt before the query runs has no effect
                connection.interrupt()
                wait([future], timeout=POLL_S)
            raise
        return future.result()
