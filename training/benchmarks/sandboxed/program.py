"""The process of a program: it runs the program, then answers the calls of the tests.

Nothing that this process sends is trusted: the program can send what it likes.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import IO, Any

from .values import pack, unpack

SHOWN_CHARS = 500
"""Characters of an error's text that are sent."""


def serve(source: str, setup: str, requests: IO[str], replies: IO[str]) -> None:
    """Run a program and the setup of its tests, send whether both ended, and answer calls.

    A request is a line of JSON: the object (its tag and reference), positional arguments, keyword
    arguments. Arguments of null ask for the items of the object. A reply is a line of JSON: the
    value, the name of the error's class and its text.

    Args:
        source: the program.
        setup: code of the task that uses names of the program.
        requests: lines from the tests' process.
        replies: lines to the tests' process.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    objects: list[Any] = []

    def keep(value: Any) -> list:
        objects.append(value)
        return ["object", len(objects) - 1]

    def find(tag: str, reference: Any) -> Any:
        return namespace[reference] if tag == "name" else objects[reference]

    def reply(work: Callable[[], Any]) -> None:
        try:
            line = json.dumps([pack(work(), keep), None, None])
        except BaseException as error:  # also SystemExit: the tests decide what it means
            line = json.dumps([None, type(error).__name__, str(error)[:SHOWN_CHARS]])
        replies.write(line + "\n")
        replies.flush()

    def run() -> None:
        exec(compile(source, "program.py", "exec"), namespace)
        exec(compile(setup, "setup.py", "exec"), namespace)

    def call(line: str) -> Any:
        target, arguments, keywords = json.loads(line)
        found = unpack(target, find)
        if arguments is None:
            return list(found)
        return found(
            *unpack(arguments, find), **{name: unpack(one, find) for name, one in keywords.items()}
        )

    reply(run)
    for line in requests:
        reply(partial(call, line))
