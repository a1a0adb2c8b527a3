"""Hashes of Python code: comments and layout do not count, so that a better comment reruns nothing.

The syntax tree is hashed, not the text. Its form is our own, because that of `ast.dump` differs
between versions of Python. Not here: hashes of other files (`transforms.file_hash`).
"""

import ast
from typing import Any

from transforms.identity import digest


def hash_code(code: bytes | str, *, docstrings: bool = True) -> str:
    """Hash the syntax tree of Python code to 32 hexadecimal digits.

    Args:
        code: content of a file.
        docstrings: whether docstrings count, and other statements that are only a text. They should
            for code that may read them, such as a prompt in a docstring.

    Raises:
        SyntaxError, ValueError: it is no Python.
    """
    return digest(repr(_convert(ast.parse(code), docstrings)))


def _convert(node: Any, docstrings: bool) -> Any:
    """Convert a node to its name and its fields; fields without a value are left out."""
    if isinstance(node, list):
        return [_convert(one, docstrings) for one in node if docstrings or not _is_only_text(one)]
    if not isinstance(node, ast.AST):
        return node
    fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return type(node).__name__, [(name, _convert(value, docstrings)) for name, value in fields]


def _is_only_text(node: Any) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
