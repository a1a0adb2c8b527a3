"""The file of a reward function: found, read, checked and hashed without running it.

Not here: calling the function (`training.rewards.function`), the modules that its file imports
(`training.settings.rewards.local_modules`).
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from training.settings.rewards.local_modules import (
    LocalModule,
    is_installed,
    read_local_modules,
)
from transforms.code_hash import hash_code
from transforms.errors import InputError
from transforms.identity import digest_settings

COLUMNS = ("prompts", "responses", "reference", "prompt_id", "response_index")
"""Arguments that a reward function may have, each a list with one entry per response."""


@dataclass(frozen=True)
class FunctionSource:
    """The file of a reward function."""

    reference: str
    """Value of `function` in the recipe."""
    file: Path
    content: bytes
    """Content of the file."""
    module: str
    """Name under which the file is run; a module of a package stays in its package."""
    name: str
    """Name of the function."""
    columns: tuple[str, ...]
    """Those of `COLUMNS` that the function has as arguments."""
    modules: Mapping[str, LocalModule]
    """The local modules that the file imports, by name."""

    @property
    def digest(self) -> str:
        """Return the hash of the code of the file and its local modules: the function's version.

        Comments and layout do not count. Docstrings do: a function may read them.
        """
        modules = {name: hash_code(module.content) for name, module in self.modules.items()}
        return digest_settings({"file": hash_code(self.content), "modules": modules})


def read_function(reference: str) -> FunctionSource:
    """Read the file of a function, and check that the file defines it.

    Args:
        reference: `package.module:name`, or `file.py:name`.

    Raises:
        InputError: there is no such module or file; it, or a local module that it imports, is no
            Python; it defines no such function; or the function requires an argument that is not in
            `COLUMNS`.
    """
    place, _, name = reference.rpartition(":")
    file, module = _find_file(reference, place)
    try:
        content = file.read_bytes()
        tree = ast.parse(content, str(file))
        modules = _read_modules(tree, file, module)
    except OSError as error:
        raise _refuse(reference, str(error.strerror), "check the path") from None
    except SyntaxError as error:
        wrong = error.filename or file
        raise _refuse(reference, f"no Python: {error}", f"correct {wrong}") from None
    except ValueError as error:
        raise _refuse(reference, f"no Python: {error}", f"correct {file}") from None
    defined = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    function = next((node for node in reversed(defined) if node.name == name), None)
    if function is None:
        names = ", ".join(node.name for node in defined) or "none"
        raise _refuse(
            reference,
            f"no function {name!r}; the functions of {file} are {names}",
            f"write `def {name or 'reward'}(prompts, responses):` at the top level of the file",
        )
    columns = _list_columns(reference, function)
    return FunctionSource(reference, file, content, module, name, columns, modules)


def _find_file(reference: str, place: str) -> tuple[Path, str]:
    """Return a function's file and the name of its module."""
    if place.endswith(".py"):
        return Path(place), Path(place).stem
    try:
        spec = find_spec(place) if place else None
    except (ImportError, ValueError) as error:
        raise _refuse(reference, str(error), "install the package, or name a file") from None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise _refuse(
            reference,
            f"no module {place!r} with a file",
            "write package.module:name of an installed package, or file.py:name",
        )
    return Path(spec.origin), place


def _read_modules(tree: ast.Module, file: Path, module: str) -> dict[str, LocalModule]:
    """Read the local modules of a function's file: beside it, or in the package of its module."""
    if is_installed(file):
        return {}
    is_package = file.name == "__init__.py"
    depth = module.count(".") + is_package
    package = module if is_package else module.rpartition(".")[0]
    return read_local_modules(tree, file.absolute().parents[depth], package)


def _list_columns(reference: str, function: ast.FunctionDef) -> tuple[str, ...]:
    """Return the columns that a function has as arguments."""
    arguments = function.args
    named = [one.arg for one in (*arguments.args, *arguments.kwonlyargs)]
    with_default = [
        *named[len(arguments.args) - len(arguments.defaults) : len(arguments.args)],
        *(
            one.arg
            for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        ),
    ]
    required = [one.arg for one in arguments.posonlyargs] + [
        name for name in named if name not in with_default and name not in COLUMNS
    ]
    if required or "responses" not in named:
        raise _refuse(
            reference,
            f"a function with the arguments {', '.join(named) or 'none'}",
            f"use `responses` and, if you need them, others of {', '.join(COLUMNS)}; give every"
            " other argument a default",
        )
    return tuple(name for name in named if name in COLUMNS)


def _refuse(reference: str, found: str, remedy: str) -> InputError:
    return InputError(
        f"the reward function {reference} cannot be used",
        expected="package.module:name or file.py:name of a function in that file",
        found=found,
        remedy=remedy,
    )
