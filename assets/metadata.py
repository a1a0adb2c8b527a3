"""Metadata of assets in the Dagster UI: columns, counts, previews, pictures."""

import base64
from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas.table import Table
from transforms.settings.differences import tabulate_differences
from transforms.views.previews import add_texts, arrange

PREVIEW_ROWS = 8

SETTINGS = "settings"
"""Metadata key of an asset's settings, by experiment that has the asset."""


def column_schema(table: Table) -> dg.TableSchema:
    """Return a table's columns for Dagster: name, type, and unit and meaning as description."""
    return dg.TableSchema(
        [
            dg.TableColumn(name, column.type_name, column.text)
            for name, column in table.columns.items()
        ]
    )


def table_metadata(frame: pl.DataFrame, version: int) -> dict[str, Any]:
    """Return the metadata of the rows that an asset wrote: count, Delta version, first rows."""
    return {
        "dagster/row_count": frame.height,
        "delta_version": version,
        "preview": table_preview(frame),
    }


def response_metadata(lake: Lake, rows: pl.DataFrame, version: int) -> dict[str, Any]:
    """Return the same as `table_metadata` for responses or scores; the preview has their texts."""
    shown = table_preview(add_texts(lake, rows.head(PREVIEW_ROWS)))
    return {**table_metadata(rows, version), "preview": shown}


def lake_metadata(lake: Lake, table: str) -> dict[str, Any]:
    """Return the same as `table_metadata` for a table of the lake, without reading all of it."""
    rows = lake.scan(table)
    return {
        **table_metadata(rows.head(PREVIEW_ROWS).collect(), lake.version(table)),
        "dagster/row_count": lake.height(table),
    }


def table_preview(frame: pl.DataFrame, rows: int = PREVIEW_ROWS) -> dg.MarkdownMetadataValue:
    """Return the first rows as a markdown table."""
    with pl.Config(
        tbl_formatting="ASCII_MARKDOWN",
        tbl_hide_dataframe_shape=True,
        tbl_hide_column_data_types=True,
        tbl_rows=rows,
        tbl_cols=-1,
        tbl_width_chars=4000,
        fmt_str_lengths=160,
        fmt_table_cell_list_len=4,
    ):
        return dg.MetadataValue.md(str(arrange(frame.head(rows))))


def describe_settings(
    recipe: Mapping[str, Any] | None, experiments: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the metadata of settings: what experiments change, and all settings by experiment.

    Args:
        recipe: settings by the recipe's own loop; None if they have no meaning for the asset.
        experiments: settings of each experiment that has the asset.
    """
    metadata: dict[str, Any] = {}
    if recipe is not None:
        changed = tabulate_differences(recipe, experiments)
        if changed.height:
            metadata["changed_settings"] = table_preview(changed, changed.height)
    everything = {name: dict(values) for name, values in experiments.items()}
    return {**metadata, SETTINGS: dg.MetadataValue.json(everything)}


def picture(png: bytes, title: str) -> dg.MarkdownMetadataValue:
    """Return a PNG as markdown with the image data inside."""
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"
    )


def show(markdown: str, key: str) -> dict[str, dg.MarkdownMetadataValue]:
    """Return markdown under a key, or no entry if it is empty."""
    return {key: dg.MetadataValue.md(markdown)} if markdown else {}
