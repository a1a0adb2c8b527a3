"""The command `prefloop ui`: the Dagster UI of a study."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from assets.cli.options import Home, LakePlace, Overrides, RecipePath, exit_on_bad_input
from assets.home import ROOT, TEAM, default_home, place_lake, prepare_home

EXAMPLES = """
Examples:

\b
prefloop ui recipes/quickstart.yaml --port 3001
"""

DEVELOPMENT = ("dg", "dev", "--host", "127.0.0.1")
"""The page and a daemon."""
PAGE = ("dagster-webserver", "--host", "127.0.0.1", "-w", str(TEAM.with_name("workspace.yaml")))
"""The page alone: a team has one daemon, and a second one would launch runs twice."""
WAIT_S = 120
"""Longest start of the UI in seconds, after which no browser is opened."""


def ui(
    recipe: RecipePath = ROOT / "recipes" / "quickstart.yaml",
    port: Annotated[
        int, typer.Option(help="Port on 127.0.0.1; if it is taken, a free one is used.")
    ] = 3000,
    home: Home = None,
    lake: LakePlace = None,
    overrides: Overrides = None,
) -> None:
    """Open the Dagster UI of a study in a browser: lineage, runs, backfills."""
    from dagster import DagsterInstance
    from filelock import FileLock

    from assets.run_locks import release_dead_runs
    from training.recipe_file import load_recipe
    from transforms.lake.locks import POSTGRES

    with exit_on_bad_input():
        folder = prepare_home(home or default_home(load_recipe(recipe, overrides or []).name))
    os.environ["DAGSTER_HOME"] = str(folder)
    with FileLock(folder / "instance.lock"), DagsterInstance.get() as instance:
        release_dead_runs(instance, folder)  # the UI starts no run beside an unfinished one
    environment = {
        **os.environ,
        "PREFLOOP_RECIPE": str(recipe.resolve()),
        "PREFLOOP_OVERRIDES": json.dumps(overrides or []),
        "PREFLOOP_LAKE": str(place_lake(folder, lake)),
        "VIRTUAL_ENV": sys.prefix,  # dg warns if it is not that of the checkout
    }
    free = find_port(port)
    if free != port:
        typer.echo(f"port {port} is taken: port {free} is used")
    address = f"http://127.0.0.1:{free}/asset-groups"
    typer.echo(f"the Dagster UI: {address}   (Ctrl-C ends it)")
    command = [*(PAGE if POSTGRES in os.environ else DEVELOPMENT), "--port", str(free)]
    command[0] = str(Path(sys.executable).with_name(command[0]))
    threading.Thread(target=open_browser, args=(address, free), daemon=True).start()
    raise typer.Exit(run_page(command, environment))


def run_page(command: list[str], environment: Mapping[str, str]) -> int:
    """Run the page until it ends; return its status.

    SIGTERM, with which service managers end one process, reaches the page as Ctrl-C does: it ends
    what it has started.
    """
    with subprocess.Popen(command, env=environment, cwd=ROOT) as page:
        before = signal.signal(signal.SIGTERM, lambda *_: page.send_signal(signal.SIGINT))
        try:
            return page.wait()
        finally:
            signal.signal(signal.SIGTERM, before)


def find_port(wanted: int) -> int:
    """Return a port of 127.0.0.1 if nothing listens there, else a free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_browser(address: str, port: int) -> None:
    """Open an address in a browser as soon as its port answers; nothing without a screen."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not screen and sys.platform not in ("darwin", "win32"):
        return
    for _ in range(WAIT_S):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                webbrowser.open(address)
                return
        time.sleep(1)
