"""Completion by Tab: commands, SQL keywords, and the names of the lake in a statement.

Not here: reading lines (`assets.cli.sql_shell.shell`).
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import duckdb

from transforms.views import names

WORD = re.compile(r"\w+")
NAMES = ("NAME",)
"""Stands for the names of tables, views and reports among the words after a command."""


class Completer:
    """The words that can continue a text. They are read at the first Tab."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, commands: Mapping[str, Sequence[str]]
    ) -> None:
        """Keep the connection and the commands.

        Args:
            connection: from `transforms.views.query.connect_with_reports`.
            commands: words that may follow each command with a dot; `NAMES` in them stands for
                the tables, views and reports.
        """
        self.connection, self.commands = connection, commands

    def complete(self, before: str, word: str) -> list[str]:
        """List the words that begin with a word.

        Args:
            before: text of the statement or the command before the word.
            word: the beginning of a word; of `s.rew`, the part after the dot is completed.
        """
        if not before.strip() and word.startswith("."):
            return [name for name in self.commands if name.startswith(word)]
        if before.lstrip().startswith("."):
            follow = self.commands.get(before.split()[0], [])
            words = self.columns if follow == NAMES else follow
            return sorted(one for one in words if one.startswith(word))
        place, dot, start = word.rpartition(".")
        columns = self._list_columns(before)
        if dot:
            return [f"{place}.{name}" for name in columns if name.startswith(start)]
        keywords = [name.upper() if word.isupper() else name for name in self.keywords]
        words = [*sorted({*columns, *self.columns}), *keywords]
        return [one for one in words if one.startswith(word)]

    @cached_property
    def columns(self) -> dict[str, list[str]]:
        """Columns of every table, view and report of the lake, by its name."""
        return names.list_columns(self.connection)

    @cached_property
    def keywords(self) -> list[str]:
        """SQL's keywords."""
        return names.list_keywords(self.connection)

    def _list_columns(self, before: str) -> list[str]:
        """List the columns of the tables that a text names; of all tables if it names none."""
        named = [name for name in WORD.findall(before) if name in self.columns]
        return sorted({column for name in named or self.columns for column in self.columns[name]})
