"""The process of the tests: it runs a task's tests, which call the program in its own process.

It runs code of the benchmark only. From the program it gets lines of JSON.
"""

import builtins
import json
from collections.abc import Iterator
from typing import IO, Any

from .values import pack, unpack


class Link:
    """Calls to the program's process and their results."""

    def __init__(self, requests: IO[str], replies: IO[str]) -> None:
        """Store the pipes to and from the program's process."""
        self._requests, self._replies = requests, replies

    def receive(self) -> Any:
        """Wait for the result of the last call.

        Raises:
            EOFError: the program's process has ended.
            Exception: the error of the program, as far as it is one of Python's own.
        """
        line = self._replies.readline()
        if not line.endswith("\n"):
            raise EOFError("the program ended early")
        value, error, text = json.loads(line)
        if error is not None:
            kind = getattr(builtins, str(error), None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                try:
                    raised = kind(str(text))
                except TypeError:  # UnicodeDecodeError has five arguments
                    raised = RuntimeError(f"{error}: {text}")
                raise raised
            raise RuntimeError(f"{error}: {text}")
        return unpack(value, lambda tag, reference: Remote(self, [tag, reference]))

    def call(self, target: Any, arguments: Any, keywords: dict[str, Any]) -> Any:
        """Call an object of the program; with arguments of None, return its items."""
        packed = None if arguments is None else pack(arguments, _refer)
        named = {name: pack(value, _refer) for name, value in keywords.items()}
        self._requests.write(json.dumps([target, packed, named]) + "\n")
        self._requests.flush()
        return self.receive()


class Remote:
    """An object in the program's process. It can be called, iterated and passed back."""

    def __init__(self, link: Link, reference: list) -> None:
        """Store the link and the object's tag and reference."""
        self._link, self.reference = link, reference

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Call it in the program's process."""
        return self._link.call(self.reference, arguments, keywords)

    def __iter__(self) -> Iterator[Any]:
        """Iterate over its items, which are all fetched at once."""
        return iter(self._link.call(self.reference, None, {}))


def check(known: str, names: list[str], tests: str, link: Link) -> None:
    """Wait until the program has run, then run its tests.

    Args:
        known: code of the task that runs before the tests, such as functions that they use.
        names: names that the tests take from the program.
        tests: the tests.
        link: the link to the program's process.

    Raises:
        Exception: the program or a test failed.
    """
    link.receive()
    namespace: dict[str, Any] = {"__name__": "tests"}
    exec(compile(known, "known.py", "exec"), namespace)
    namespace |= {name: Remote(link, ["name", name]) for name in names}
    exec(compile(tests, "tests.py", "exec"), namespace)


def _refer(value: Any) -> list:
    if not isinstance(value, Remote):
        raise TypeError(f"a test passes a {type(value).__name__}, which cannot leave its process")
    return value.reference
