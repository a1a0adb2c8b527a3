"""Ingest of the sample task: its rows in raw tables, with row keys like those of other sources."""

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
    """Make the rows of a source's one role and write its raw table, ledger and account.

    Returns:
        The table's version.
    """
    table, entry = f"raw_{source.name}", source.entry
    (role,) = source.roles
    made = MAKERS[role](settings)
    rows = conform(made, entry.native, entry.optional, "the sample task").select(
        pl.format("sample_task:{}", pl.int_range(pl.len())).alias(ROW_KEY), pl.all()
    )
    write_ledger(lake, table, pl.DataFrame(schema=schema_of("dropped_rows")), source=source.name)
    version = lake.overwrite(table, rows)
    write_account(lake, table, source, rows.height, digest_settings(settings.model_dump()))
    return version
