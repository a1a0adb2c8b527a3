"""Every table of the lake, declared once: grain, columns with type, unit and meaning, partitions.

One file per subject. The declarations are enforced when rows are written, and they are the text
that `.schema`, the Dagster pages, the report page and `docs/guide/tables.md` show. Not here: how
rows are made. Identifiers are content hashes (`transforms.identity`), so that tables join across
runs and machines.
"""

from collections.abc import Mapping

from transforms.lake.schemas import (
    benchmarks,
    evaluation,
    labels,
    loop,
    models,
    preferences,
    prompts,
    records,
)
from transforms.lake.schemas.table import Schema, Table

SUBJECTS: Mapping[str, Mapping[str, Table]] = {
    "Preferences": preferences.TABLES,
    "Prompts": prompts.TABLES,
    "The loop": loop.TABLES,
    "Labels and judges": labels.TABLES,
    "Models": models.TABLES,
    "Evaluation": evaluation.TABLES,
    "Benchmarks": benchmarks.TABLES,
    "Records": records.TABLES,
}
"""Tables by subject, in the order of a study."""

TABLES: Mapping[str, Table] = {
    name: table for tables in SUBJECTS.values() for name, table in tables.items()
}
"""Every table that the lake stores under a fixed name."""


def schema_of(table: str) -> Schema:
    """Return the columns of a table, in order, with their types."""
    return TABLES[table].schema


def declaration_of(table: str) -> Table | None:
    """Return the declaration of a stored table, a raw table or a computed one; else None."""
    if table.startswith(preferences.RAW):
        return preferences.RAW_TABLE
    return TABLES.get(table) or records.COMPUTED.get(table)
