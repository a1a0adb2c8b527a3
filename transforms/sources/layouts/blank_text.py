r"""Blank texts: texts without a visible character.

Prompts, responses, demonstrations and system texts share this definition; the SQL macro `is_blank`
repeats it. Not here: the rule that drops blank turns (`transforms.sources.layouts.turn_rules`).

A text is blank if it has only white space, control characters and format characters (Unicode
general categories Z, Cc and Cf: zero-width space, soft hyphen, byte-order mark), and characters
that are drawn as nothing: fillers of Hangul, the Braille blank, variation selectors.
"""

import polars as pl

VISIBLE = (
    r"[^\s\p{Z}\p{Cc}\p{Cf}\x{034F}\x{115F}\x{1160}\x{17B4}\x{17B5}\x{180B}-\x{180F}\x{2800}"
    r"\x{3164}\x{FE00}-\x{FE0F}\x{FFA0}\x{E0100}-\x{E01EF}]"
)
"""Regular expression of one visible character."""


def is_blank(text: pl.Expr) -> pl.Expr:
    """Check that a text is blank; a null is blank."""
    return ~text.str.contains(VISIBLE).fill_null(False)
