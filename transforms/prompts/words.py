"""The words of a text: what n-grams for contamination and for repetition are made of.

White space separates words. Chinese, Japanese, Thai, Lao, Khmer and Burmese are written without
spaces between words: each of their characters, with its marks, counts as one word.
"""

import polars as pl

NO_WORD = r"[^\p{L}\p{M}\p{N}\p{Z}\t\n\v\f\r]+"
"""Punctuation, symbols, control characters: deleted, so that `don't` and `don’t` are `dont`."""
BLANK = r"[\p{Z}\t\n\v\f\r]+"
"""White space between words. Both classes are written out: `\\s` differs in polars and DuckDB."""
UNSPACED = (
    r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー]"
    r"[\p{Mn}\p{Mc}]*)"
)
"""A character of a script without spaces, and the marks on it."""


def separate_characters(text: pl.Expr) -> pl.Expr:
    """Put blanks around each character of a script without spaces, so that it is one word."""
    return text.str.replace_all(UNSPACED, " $1 ")


def normalise(text: pl.Expr) -> pl.Expr:
    """Normalise a text: lower case; only letters, marks and digits; one space between words."""
    words = separate_characters(text.str.to_lowercase().str.replace_all(NO_WORD, ""))
    return words.str.replace_all(BLANK, " ").str.strip_chars(" ")
