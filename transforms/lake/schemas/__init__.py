"""Every table of the lake, declared once: grain, columns with type, unit and meaning, partitions.

There is one file per subject. The declarations are enforced when rows are written. `.schema` in
`prefloop sql`, the Dagster UI, the report page and `docs/guide/tables.md` show them. Identifiers
are content hashes (`transforms.identity`), so tables can be joined across runs and machines.
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
"""Every table that is stored under a fixed name."""


def schema_of(table: str) -> Schema:
    """Return the columns of a table, in order, with their types."""
    return TABLES[table].schema


def is_raw(table: str) -> bool:
    """Check whether a table contains the raw rows of a source."""
    return table.startswith(preferences.RAW) and table not in records.COMPUTED


def declaration_of(name: str, columns: Schema) -> Table | None:
    """Return the declaration of a table: stored, raw or computed; None for a view or a report.

    Args:
        name: its name.
        columns: its columns; the declaration of a raw table repeats them.
    """
    if is_raw(name):
        native = {column: dtype for column, dtype in columns.items() if column != "row_key"}
        return preferences.raw_table(native)
    return TABLES.get(name) or records.COMPUTED.get(name)
