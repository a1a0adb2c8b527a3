"""Files that a person names on the command line: text to read, a place to write.

Not here: the format of rows (`assets.cli.output`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transforms.errors import InputError
from transforms.text_encoding import decode_text


def read_text(file: Path, expected: str, remedy: str = "check the path") -> str:
    """Read a text file.

    Args:
        file: the file.
        expected: its content, in words.
        remedy: what to do if there is no such file.

    Raises:
        InputError: no such file, no permission to read it, or it cannot be decoded.
    """
    try:
        return decode_text(file.read_bytes())
    except UnicodeError as error:
        found, remedy = str(error), "save the file as UTF-8"
    except FileNotFoundError:
        found = "no such file"
    except OSError as error:
        found = str(error.strerror)
    raise InputError(f"{file} cannot be read", expected=expected, found=found, remedy=remedy)


@contextmanager
def refuse_unwritable(file: Path) -> Iterator[None]:
    """Turn a failed attempt to write a file into an error for people.

    Raises:
        InputError: its folder is missing, it is a folder, the disk is full, or the like.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{file} cannot be written",
            expected="a file in a folder that exists and can be written",
            found=str(error.strerror or error),
            remedy="choose another file, or make its folder",
        ) from None
