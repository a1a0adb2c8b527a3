"""The sample task as a source of raw rows, keyed like any other."""

import polars as pl

from transforms.identity import digest_settings
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.settings.sample_task import SampleTaskSettings
from transforms.sources.files.reading import ROW_KEY
from transforms.sources.files.tabular import conform
from transforms.sources.intake.ledger import write_account, write_ledger
from transforms.sources.intake.sources import Source
from transforms.sources.sample.task import make_demonstrations, make_preferences, make_prompts

MAKERS = {
    "demonstrations": make_demonstrations,
    "preferences": make_preferences,
    "prompts": make_prompts,
}


def ingest_sample_task(lake: Lake, source: Source, settings: SampleTaskSettings) -> int:
    """Draw the rows of a source's one role into its raw table, as `intake.ingest` would."""
    table, entry = f"raw_{source.name}", source.entry
    (role,) = source.roles
    drawn = MAKERS[role](settings)
    rows = conform(drawn, entry.native, entry.optional, "the sample task").select(
        pl.format("sample_task:{}", pl.int_range(pl.len())).alias(ROW_KEY), pl.all()
    )
    write_ledger(lake, table, pl.DataFrame(schema=schema_of("dropped_rows")), source=source.name)
    version = lake.overwrite(table, rows)
    write_account(lake, table, source, rows.height, digest_settings(settings.model_dump()))
    return version
