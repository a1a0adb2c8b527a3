"""The interface of locks. Not here: which names are locked (`transforms.lake.locks`)."""

from contextlib import AbstractContextManager
from typing import Protocol


class Held(Protocol):
    """A lock that this process has."""

    def release(self) -> None:
        """Give the lock back."""


class Locker(Protocol):
    """The locks of one lake. Each ends when the process that has it ends, for whatever reason."""

    def try_acquire(self, name: str) -> Held | None:
        """Take a lock; None: another process has it."""

    def acquire(self, name: str) -> Held:
        """Take a lock; waits until it is free."""

    def describe_owner(self, name: str) -> str:
        """Describe the process that has a lock."""

    def exclude_all(self) -> AbstractContextManager[None]:
        """Take all locks while the body runs.

        Raises:
            InputError: another process has one.
        """
