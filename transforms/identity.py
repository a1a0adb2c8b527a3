"""Identifiers: content hashes of messages, settings and rows, equal on every machine.

Text is hashed as UTF-8 with SHA-256; the first 32 hexadecimal digits (128 bits) are kept.
"""

import hashlib
import json
from typing import Any

import polars as pl
from polars_hash import CryptographicHashingNameSpace

TURN, FIELD = "\x1e", "\x1f"
"""ASCII record and unit separators: they end a turn and a role, so that two different message lists
never become the same string."""


def digest(text: str) -> str:
    """Hash a text to 32 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def digest_settings(settings: Any) -> str:
    """Hash JSON-like settings; key order does not matter."""
    return digest(json.dumps(settings, sort_keys=True, default=str))


def canonical_messages(column: str) -> pl.Expr:
    """Join a message list to one string, the form that is hashed."""
    turn = pl.concat_str(
        pl.element().struct.field("role"),
        pl.lit(FIELD),
        pl.element().struct.field("content"),
        pl.lit(TURN),
    )
    return pl.col(column).list.eval(turn).list.join("")


def hash_text(expression: pl.Expr) -> pl.Expr:
    """Hash a text column (`digest`); null stays null."""
    # a Python function per row takes five times longer than the plugin
    return CryptographicHashingNameSpace(expression).sha2_256().str.slice(0, 32)


def identify_messages(column: str) -> pl.Expr:
    """Hash a message list to its identifier: `prompt_id` if the column is a prompt."""
    return hash_text(canonical_messages(column))


def derive_seed(seed: int, *names: str) -> int:
    """Derive an independent 31-bit seed for one named use of a study's seed."""
    return int(digest("/".join([str(seed), *names]))[:8], 16) & 0x7FFFFFFF
