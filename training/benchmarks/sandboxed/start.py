"""The start of both processes: limits, user, standard streams, then the program or its tests."""

import json
import os
import resource
import sys

from .program import serve
from .tests import Link, check

NOBODY = 65534
"""User id and group id of both processes."""


def main() -> None:
    """Read the task from standard input and the numbers of the pipes from the command line.

    The task is JSON: `limits` (of `resource`, by name), and the arguments of `serve` or `check`.
    The process of the tests writes `passed` to standard output after its last line.
    """
    role, incoming, outgoing = sys.argv[1:]
    task = json.load(sys.stdin)
    for name, value in task.pop("limits").items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    sys.set_int_max_str_digits(0)
    read, write = os.fdopen(int(incoming)), os.fdopen(int(outgoing), "w")
    if role == "program":
        null = os.open("/dev/null", os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.close(null)
        serve(**task, requests=read, replies=write)
    else:
        check(**task, link=Link(write, read))
        print("passed", end="", flush=True)
