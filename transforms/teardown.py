"""The end of a process that has used DuckDB."""

import atexit
import os
import sys


def quiet_teardown() -> None:
    """Suppress the list of types that DuckDB's binding prints when the interpreter ends.

    nanobind checks for leaks after Python has removed its modules, and reports types of a module
    that another library still refers to. A function that is registered first runs last, after all
    output of this program.
    """

    def close_stderr() -> None:
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    atexit.register(close_stderr)
