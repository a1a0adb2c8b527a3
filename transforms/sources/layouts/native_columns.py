"""Native columns while a layout makes candidates: one struct, so that no name can collide.

A layout names its working columns freely (`prompt`, `group`, `text`), and native columns may have
the same names. Not here: the columns of candidates (`transforms.sources.layouts.entry`).
"""

import polars as pl

STANDARD = (
    "row_key",
    "chosen_messages",
    "rejected_messages",
    "chosen_score",
    "rejected_score",
    "verdict",
)
"""Columns of candidates."""


def pack_native(raw: pl.DataFrame, *read: pl.Expr) -> pl.Expr:
    """Return the column `native`: a struct of the native columns that candidates keep.

    Args:
        raw: native rows with `row_key`.
        read: the lists of responses. Their columns are left out, as each of the n(n-1)/2
            candidates would contain all n texts.
    """
    dropped = {*STANDARD[1:], *(name for each in read for name in each.meta.root_names())}
    return pl.struct(name for name in raw.columns if name not in dropped).alias("native")


def unpack_native(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return the standard columns of candidates and the native columns of the struct `native`."""
    names = candidates.select("native").clear().unnest("native").columns
    native = (pl.col("native").struct.field(name) for name in names if name != "row_key")
    return candidates.select(*STANDARD, *native)
