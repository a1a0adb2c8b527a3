"""Rules about the turns of a conversation: the order of roles, empty turns.

Pairs, demonstrations and prompts share them.
"""

import polars as pl

from transforms.sources.layouts.blank_text import is_blank
from transforms.sources.layouts.rules import Rule


def require_shape(column: str, roles: str) -> list[Rule]:
    """Return rules that require an order of roles (a pattern, commas between) and no empty turn."""
    return [
        Rule(pl.col("verdict"), pl.col("verdict").is_not_null(), pl.col("verdict")),
        Rule("missing_value", pl.col(column).is_null(), pl.lit(f"{column} is null")),
        Rule("role_order", ~join_roles(column).str.contains(roles), join_roles(column)),
        forbid_empty_turn(column),
    ]


def forbid_empty_turn(column: str) -> Rule:
    """Return the rule against turns with a blank text. Upstream tests the length only."""
    empty = pl.col(column).list.eval(is_blank(pl.element().struct.field("content")))
    return Rule(
        "empty_turn",
        empty.list.any(),
        pl.format("turn {} of {}", empty.list.arg_max() + 1, pl.lit(column)),
    )


def join_roles(column: str) -> pl.Expr:
    """Join the roles of a conversation with commas."""
    return (
        pl.col(column).list.eval(pl.element().struct.field("role").fill_null("null")).list.join(",")
    )


def read_first_content(column: str) -> pl.Expr:
    """Read the text of the first turn, for a column with one response."""
    return pl.col(column).list.first().struct.field("content")
