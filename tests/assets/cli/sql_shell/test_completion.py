from collections.abc import Iterator

import polars as pl
import pytest

from assets.cli.sql_shell.commands import COMMANDS
from assets.cli.sql_shell.completion import Completer
from transforms.views.query import connect_frames


@pytest.fixture(scope="module")
def completer() -> Iterator[Completer]:
    with connect_frames({"own": pl.DataFrame({"colour": [1], "count_of": [2]})}) as connection:
        yield Completer(connection, COMMANDS)


@pytest.mark.parametrize(
    ("before", "word", "words"),
    [
        ("", ".ta", [".tables"]),
        (".schema ", "score", ["score_components", "scored_responses", "scores"]),
        (".mode ", "", ["csv", "json", "lines", "table"]),
        ("", "sel", ["select"]),
        ("", "SEL", ["SELECT"]),
        ("select * from ", "ow", ["own"]),
        ("select * from own where ", "co", ["colour", "count_of", "collate"]),
        ("select * from own as o where ", "o.co", ["o.colour", "o.count_of"]),
        ("select ", "colo", ["colour"]),
    ],
)
def test_tab_completes(completer, before, word, words):
    assert [one for one in completer.complete(before, word) if one in words] == words


def test_columns_of_the_database_itself_are_no_words(completer):
    assert completer.complete("select ", "database_oi") == []
    assert "prompt_id" not in completer.complete("select * from own where ", "p")
