"""The one error that a person is meant to read: what was expected, what was found, what to do.

Everything else propagates as it is; a traceback from deep inside means a defect, not bad input.
"""

from functools import partial


class InputError(ValueError):
    """Bad input: a recipe, a file, a table or a model folder is not what a step needs."""

    def __init__(self, what: str, *, expected: str, found: str, remedy: str) -> None:
        """Compose the message from its four parts, each a clause without a closing full stop."""
        super().__init__(
            f"{what}\n  expected: {expected}\n  found:    {found}\n  to do:    {remedy}"
        )
        self.what = what
        self.parts = {"expected": expected, "found": found, "remedy": remedy}

    def __reduce__(self) -> tuple[partial, tuple[str]]:
        """Let the error cross from a worker process to the one that shows it."""
        return partial(InputError, **self.parts), (self.what,)
