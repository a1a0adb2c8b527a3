"""The command to type for this program."""

import shutil
import sys
from pathlib import Path


def find_program() -> str:
    """Return `prefloop`, or its path if the shell does not find it.

    The path is that of the running environment, relative to the current folder if it is below.
    """
    if shutil.which("prefloop"):
        return "prefloop"
    path = Path(sys.executable).with_name("prefloop")
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
