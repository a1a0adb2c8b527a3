"""A Python function as a reward: its file is run, it is called with lists, its answer is checked.

Not here: finding and checking the file (`training.settings.rewards.function_source`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import polars as pl

from training.models.unscorable import describe_response
from training.rewards.local_imports import LocalImports
from training.rewards.score_rows import Scorer
from training.settings.rewards.function_source import FunctionSource
from transforms.errors import InputError

FRAME_COLUMNS = {"prompts": "prompt", "responses": "response"}
"""Columns of a frame for arguments with another name."""


def load_function(source: FunctionSource) -> Scorer:
    """Run a function's file in this process, and return the function as a scorer.

    The content that was read is run, and so is that of the local modules which the file imports, so
    that a score never has the version of another content.

    Raises:
        InputError: running the file fails. The scorer raises it if the function fails or does not
            return one number per response.
    """
    imports = LocalImports(source.modules)
    with imports.importable():
        function = _run_file(source)

    def score(rows: pl.DataFrame) -> Sequence[Any]:
        with imports.importable():
            return _call(function, source, rows)

    return score


def _run_file(source: FunctionSource) -> Callable[..., Any]:
    # a name of its own, so that another version in this process is not replaced
    name = f"{source.module}_{source.digest[:12]}"
    spec = spec_from_file_location(name, source.file)
    if spec is None:
        raise ImportError(f"{source.file} is no file of Python")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up the module of their class
    try:
        exec(compile(source.content, str(source.file), "exec"), module.__dict__)
    except Exception as error:
        raise InputError(
            f"the file of the reward function {source.reference} fails",
            expected="a file that can be run",
            found=f"{type(error).__name__}: {error}",
            remedy=f"correct {source.file}",
        ) from error
    return getattr(module, source.name)


def _call(function: Callable[..., Any], source: FunctionSource, rows: pl.DataFrame) -> list[Any]:
    """Call the function with a batch."""
    try:
        returned = function(**_list_arguments(source, rows))
        values = list(returned)
    except Exception as error:
        failing = _find_failing(function, source, rows)
        raise InputError(
            f"the reward function {source.reference} fails at {failing}",
            expected="one number per response",
            found=f"{type(error).__name__}: {error}",
            remedy=f"correct {source.file}; committed scores are kept",
        ) from error
    if len(values) != rows.height:
        raise InputError(
            f"the reward function {source.reference} does not return one number per response",
            expected=f"{rows.height} numbers, for {_describe_range(rows)}",
            found=f"{len(values)}",
            remedy=f"correct {source.file}; committed scores are kept",
        )
    return values


def _list_arguments(source: FunctionSource, rows: pl.DataFrame) -> Mapping[str, list[Any]]:
    return {name: rows[FRAME_COLUMNS.get(name, name)].to_list() for name in source.columns}


def _find_failing(function: Callable[..., Any], source: FunctionSource, rows: pl.DataFrame) -> str:
    """Describe the first row at which the function fails alone; if none does, the whole batch."""
    for row in range(rows.height):
        try:
            list(function(**_list_arguments(source, rows[row])))
        except Exception:
            return describe_response(rows, row)
    return f"{_describe_range(rows)}, but at none of them alone"


def _describe_range(rows: pl.DataFrame) -> str:
    return f"{describe_response(rows, 0)} to {describe_response(rows, rows.height - 1)}"
