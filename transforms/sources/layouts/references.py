"""References of prompts: one more native column of an entry, read beside the prompt.

Not here: what a reference means (`training.rewards`), the option that names the column
(`transforms.settings.sources`).
"""

from dataclasses import replace

import polars as pl

from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.blank_text import is_blank
from transforms.sources.layouts.entry import Entry, Layout

INSTANCE = r"#[\d,]+$"
"""End of the key of a row that is one of several from one native row."""


def add_reference(source: str, entry: Entry, column: str) -> Entry:
    """Return an entry that also reads a native column of text, as the reference of its prompts.

    Raises:
        ValueError: the entry has this column with another type than text.
    """
    known = entry.native.get(column, pl.String)
    if known != pl.String or column == "row_key":
        raise ValueError(f"sources.{source}: the reference column {column} is not text")
    return replace(
        entry,
        native={**entry.native, column: pl.String},
        layouts={**entry.layouts, "prompts": _read_reference(entry.layouts["prompts"], column)},
    )


def _read_reference(layout: Layout, column: str) -> Layout:
    """Add the column `reference` to a layout of prompts; a row without one gets a verdict."""

    def layout_with_reference(raw: pl.DataFrame, options: SourceOptions) -> pl.DataFrame:
        references = raw.select(native_key="row_key", reference=column)
        rows = layout(raw, options).select(
            "row_key", "prompt", "verdict", native_key=pl.col("row_key").str.replace(INSTANCE, "")
        )
        joined = rows.join(references, on="native_key", how="left", maintain_order="left")
        missing = pl.when(is_blank(pl.col("reference"))).then(pl.lit("missing_reference"))
        return joined.drop("native_key").with_columns(verdict=pl.coalesce("verdict", missing))

    return layout_with_reference
