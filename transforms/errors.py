"""The one error for people: what was expected, what was found, what to do.

All other errors propagate unchanged: a traceback means a defect in the code, not bad input.
"""

from functools import partial


class InputError(ValueError):
    """Bad input: a recipe, file, table or model folder that a step cannot use."""

    def __init__(self, what: str, *, expected: str, found: str, remedy: str) -> None:
        """Compose the message from its four parts, each a clause without a closing full stop."""
        super().__init__(
            f"{what}\n  expected: {expected}\n  found:    {found}\n  to do:    {remedy}"
        )
        self.what = what
        self.parts = {"expected": expected, "found": found, "remedy": remedy}

    def __reduce__(self) -> tuple[partial["InputError"], tuple[str]]:
        """Make the error picklable, so that a worker process can pass it to the main process."""
        return partial(InputError, **self.parts), (self.what,)
