"""Schemas of every table: grain, columns with units, partition columns. Enforced on write.

Lives here: names, types and grain of tables, a file a subject. Not here: how rows are made.
Identifiers are content hashes (`transforms.identity`): tables join across runs and machines.
"""

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
from transforms.lake.schemas.columns import Schema

SCHEMAS: dict[str, Schema] = {
    **preferences.SCHEMAS,
    **prompts.SCHEMAS,
    **loop.SCHEMAS,
    **labels.SCHEMAS,
    **models.SCHEMAS,
    **evaluation.SCHEMAS,
    **benchmarks.SCHEMAS,
    **records.SCHEMAS,
}

PARTITIONS: dict[str, list[str]] = {
    **preferences.PARTITIONS,
    **loop.PARTITIONS,
    **labels.PARTITIONS,
    **models.PARTITIONS,
    **evaluation.PARTITIONS,
    **benchmarks.PARTITIONS,
}
"""Columns that a table's files are divided by; a table that is not here has one part."""
