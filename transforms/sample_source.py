"""The sample task as a source of raw rows, keyed like any other."""

import polars as pl

from transforms.sample_task import (
    SampleTaskSettings,
    demonstration_rows,
    preference_rows,
    prompt_rows,
)

MAKERS = {
    "demonstrations": demonstration_rows,
    "preferences": preference_rows,
    "prompts": prompt_rows,
}


def read_sample_task(role: str, settings: SampleTaskSettings) -> pl.DataFrame:
    """Draw the rows of a role, with a `row_key` as `transforms.reading` gives one."""
    rows = MAKERS[role](settings).with_row_index("row_key")
    return rows.with_columns(pl.format("sample_task:{}", "row_key").alias("row_key"))
