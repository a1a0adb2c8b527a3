"""Which native columns, and which fields inside their structs, have a value in a source's rows.

A reader of JSON cannot tell a missing key from a null, so a field is missing if it is null in every
row. Not here: reading (`transforms.sources.files.reading`).
"""

from collections.abc import Collection, Iterator

import polars as pl

from transforms.errors import InputError
from transforms.sources.files.json_rows import DType, Native


class MissingColumnsError(InputError):
    """A source without the columns that its catalogue entry declares."""


class FoundFields:
    """The columns and fields of a source that have had a value so far, by path.

    A path is `column`, or `column.field` for a field of a struct, or of the structs of a list.
    """

    def __init__(self, native: Native, optional: Collection[str]) -> None:
        """Start without rows; columns that are optional need no value."""
        self._required = {name: dtype for name, dtype in native.items() if name not in optional}
        self._found: set[str] = set()

    def add(self, rows: pl.DataFrame) -> None:
        """Note the fields that have a value in a batch of rows."""
        missing = {path for path, _ in self.list_missing()}
        for name, dtype in self._required.items():
            if name not in self._found or any(path.startswith(f"{name}.") for path in missing):
                self._note(rows[name], name, dtype)

    def list_missing(self) -> list[tuple[str, DType]]:
        """Return the paths without a value, with their types.

        The fields of a struct are missing only if the struct itself was there: a list that is empty
        in every row has no structs.
        """
        return [
            missing
            for name, dtype in self._required.items()
            for missing in self._list_missing(name, dtype)
        ]

    def _note(self, values: pl.Series, path: str, dtype: DType) -> None:
        present = values.drop_nulls()
        if present.is_empty():
            return
        if isinstance(dtype, pl.List):
            self._found.add(path)
            self._note(present.explode(empty_as_null=False), f"{path}[]", dtype.inner)
        elif isinstance(dtype, pl.Struct):
            self._found.add(path)
            for field in dtype.fields:
                self._note(present.struct.field(field.name), f"{path}.{field.name}", field.dtype)
        else:
            self._found.add(path)

    def _list_missing(self, path: str, dtype: DType) -> Iterator[tuple[str, DType]]:
        if path not in self._found:
            if not path.endswith("[]"):
                yield path.replace("[]", ""), dtype
        elif isinstance(dtype, pl.List):
            yield from self._list_missing(f"{path}[]", dtype.inner)
        elif isinstance(dtype, pl.Struct):
            for field in dtype.fields:
                yield from self._list_missing(f"{path}.{field.name}", field.dtype)
