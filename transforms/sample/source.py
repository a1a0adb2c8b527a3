"""The sample task as a source of raw rows, keyed like any other."""

import polars as pl

from transforms.files.reading import ROW_KEY
from transforms.files.tabular import conform
from transforms.identity import digest_settings
from transforms.intake.ledger import write_account, write_ledger
from transforms.intake.sources import Source
from transforms.sample.task import (
    SampleTaskSettings,
    demonstration_rows,
    preference_rows,
    prompt_rows,
)
from transforms.tables.lake import Lake
from transforms.tables.schemas import SCHEMAS

MAKERS = {
    "demonstrations": demonstration_rows,
    "preferences": preference_rows,
    "prompts": prompt_rows,
}


def ingest_sample_task(lake: Lake, source: Source, settings: SampleTaskSettings) -> int:
    """Draw the rows of a source's role into its raw table, as `intake.ingest` would."""
    table, entry = f"raw_{source.name}", source.entry
    drawn = MAKERS[source.role](settings)
    rows = conform(drawn, entry.native, entry.optional, "the sample task").select(
        pl.format("sample_task:{}", pl.int_range(pl.len())).alias(ROW_KEY), pl.all()
    )
    write_ledger(lake, table, pl.DataFrame(schema=SCHEMAS["dropped_rows"]), source=source.name)
    version = lake.overwrite(table, rows)
    write_account(lake, table, source, rows.height, digest_settings(settings.model_dump()))
    return version
