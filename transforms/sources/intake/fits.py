"""The entries of the catalogue whose native columns a file has.

Not here: the rows that an entry keeps (`transforms.prompts.trials`).
"""

from typing import NamedTuple

from transforms.lake.schemas.table import type_name
from transforms.settings.sources import OriginSettings
from transforms.sources.catalog import CATALOGUE
from transforms.sources.files.file_columns import FileColumns, read_columns
from transforms.sources.files.native_fields import MissingColumnsError
from transforms.sources.files.tabular import fits

SHOWN_FITS = 4
"""Entries in an error."""


class Fit(NamedTuple):
    """An entry, compared with the columns of a file."""

    entry: str
    missing: list[str]
    """Native columns that the file lacks or has with another type; empty if the entry fits."""
    columns: int
    """Number of the file's columns that the entry reads."""


def find_fits(columns: FileColumns) -> list[Fit]:
    """Return the entries that fit, most columns first, then those that lack less than half.

    Of entries with equally many columns, formats come before single datasets.
    """
    compared = [_compare(name, columns) for name in CATALOGUE]
    near = [one for one in compared if one.columns > len(one.missing)]
    return sorted(
        near,
        key=lambda one: (
            bool(one.missing),
            len(one.missing) - one.columns,
            CATALOGUE[one.entry].hub_id is not None,
            one.entry,
        ),
    )


def explain_columns(error: MissingColumnsError, origin: OriginSettings) -> MissingColumnsError:
    """Return an error about columns with the columns of the first file and the entries that fit."""
    if not origin.files:
        return error
    columns = read_columns(origin.files)
    names = [one.entry for one in find_fits(columns) if not one.missing][:SHOWN_FITS]
    listed = ", ".join(f"{name}: {type_name(dtype)}" for name, dtype in columns.types.items())
    fitting = f"use an entry that fits: {', '.join(names)}" if names else "no entry fits"
    return MissingColumnsError(
        error.what,
        expected=error.parts["expected"],
        found=f"{error.parts['found']}. The file has {listed}",
        remedy=f"{fitting}; prefloop sources FILE compares them",
    )


def _compare(name: str, columns: FileColumns) -> Fit:
    entry = CATALOGUE[name]
    missing = []
    found = 0
    for column, dtype in entry.native.items():
        given = columns.types.get(column)
        if given is None:
            if column not in entry.optional:
                missing.append(f"{column}: {type_name(dtype)}")
        elif fits(given, dtype) or (columns.is_text and not dtype.is_nested()):
            found += 1
        else:
            missing.append(f"{column}: {type_name(dtype)}, not {type_name(given)}")
    return Fit(name, missing, found)
