"""Local modules that a file imports: found by its text, without running it.

A module is local if its file is below the folder that the imports begin in: that of a reward
function's file, or the one above its package. Installed packages and the standard library are not.
Not here: running them (`training.rewards.local_imports`).
"""

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class LocalModule(NamedTuple):
    """A module of a local file."""

    file: Path
    content: bytes
    """Content of the file; empty for a folder without `__init__.py`."""

    @property
    def is_package(self) -> bool:
        """Return whether it may have modules below it."""
        return self.file.name == "__init__.py"


def read_local_modules(tree: ast.Module, folder: Path, package: str = "") -> dict[str, LocalModule]:
    """Read the local modules that a file imports, and those that they import.

    Args:
        tree: the file.
        folder: folder that imports begin in.
        package: package of the file; empty for a file that is in none.

    Returns:
        The modules by name, sorted.

    Raises:
        SyntaxError: a module is no Python.
        OSError: a file cannot be read.
    """
    found: dict[str, LocalModule] = {}
    waiting = [*_list_names(tree, package)]
    while waiting:
        name = waiting.pop()
        if name in found or (module := _read_module(name, folder)) is None:
            continue
        found[name] = module
        imported = ast.parse(module.content, str(module.file))
        waiting += _list_names(imported, name if module.is_package else name.rpartition(".")[0])
    return dict(sorted(found.items()))


def is_installed(file: Path) -> bool:
    """Return whether a file is part of an installed package or of the standard library."""
    library = Path(ast.__file__).parent
    return bool({"site-packages", "dist-packages"} & {*file.parts}) or library in file.parents


def _list_names(tree: ast.Module, package: str) -> Iterator[str]:
    """List the names that may be modules: imported ones, and the packages that they are in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".") if node.level and package else []
            within = above[: len(above) - node.level + 1]
            begin = ".".join([*within, *filter(None, [node.module])])
            names = [f"{begin}.{alias.name}".removeprefix(".") for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _read_module(name: str, folder: Path) -> LocalModule | None:
    """Read a module; None if it is not local."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == "*":
        return None
    place = folder.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if file.is_file():
            return LocalModule(file, file.read_bytes())
    # Python prefers an installed package to a folder without __init__.py
    if place.is_dir() and any(place.rglob("*.py")) and _is_unknown(top, folder):
        return LocalModule(place / "__init__.py", b"")
    return None


def _is_unknown(top: str, folder: Path) -> bool:
    spec = find_spec(top)
    return spec is None or spec.origin is None or folder in Path(spec.origin).parents
