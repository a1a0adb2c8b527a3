"""The printed plans in docs/guide/plan.md.

    python docs/plan_page.py       # `make docs`

runs every command in a block that begins with `$ prefloop plan`, and writes what it prints below
it. A test checks that the page is up to date.
"""

import re
import shlex
import tempfile
from pathlib import Path

from typer.testing import CliRunner

from assets.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide" / "plan.md"
BLOCK = re.compile(r"```text\n\$ prefloop (plan .+)\n(?:.*\n)*?```\n")


def write_page() -> str:
    """Return the page with the present output of its commands."""
    return BLOCK.sub(_run, PAGE.read_text(encoding="utf-8"))


def _run(block: re.Match[str]) -> str:
    command = block[1]
    words = [str(ROOT / w) if w.startswith("recipes/") else w for w in shlex.split(command)]
    with tempfile.TemporaryDirectory() as home:
        found = CliRunner().invoke(app, [*words, "--home", home])
    lines = [line.rstrip() for line in found.output.splitlines()]
    return "\n".join(["```text", f"$ prefloop {command}", *lines, "```", ""])


if __name__ == "__main__":
    PAGE.write_text(write_page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
