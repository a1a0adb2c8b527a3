"""Updates of the standard tables, source by source: only slices that are out of date are rewritten.

Not here: the work on one source (`transforms.sources.intake.ingest`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from transforms.code_hash import hash_code
from transforms.identity import digest_settings
from transforms.lake.lake import Lake
from transforms.sources.intake.ledger import delete_records, read_accounts, write_account
from transforms.sources.intake.sources import Source

PACKAGE = Path(__file__).parents[2]

RULE_CODE = (
    "identity.py",
    "prompts/splits.py",  # held-out prompts
    "prompts/instructions/*.py",  # labels by a verifier
    "sources/files/json_rows.py",
    "sources/files/tabular.py",
    "sources/intake/demonstrations.py",
    "sources/intake/duplicates.py",
    "sources/intake/ingest.py",
    "sources/intake/preferences.py",
    "sources/layouts/*.py",
    "sources/catalog/*.py",
)
"""Modules of `transforms` whose code decides the rows of a slice."""


def update_slices(
    lake: Lake,
    table: str,
    sources: Sequence[Source],
    settings: Mapping[str, Any],
    standardise: Callable[[Source], int],
) -> list[str]:
    """Update the slices of a table, one commit per source.

    A slice is up to date if its raw table, its options, `settings` and the code of the rules have
    not changed since it was made. Slices of sources that the recipe no longer names are removed
    with their ledger rows and accounts.

    Args:
        lake: the lake.
        table: preference_pairs or demonstrations.
        sources: all sources of the table.
        settings: further settings on which every slice depends.
        standardise: writes the slice and the ledger of one source, and returns the number of
            incoming rows.

    Returns:
        Names of the sources whose slices were rewritten.
    """
    recorded = read_accounts(lake, table)
    made = []
    for source in sources:
        intake_id = digest_settings(
            {
                "raw": lake.version(f"raw_{source.name}"),
                "entry": source.entry_name,
                "options": source.options.model_dump(),
                **({"instructions": source.instructions} if source.instructions else {}),
                "rules": hash_rule_code(),
                **settings,
            }
        )
        if recorded.get(source.name) != intake_id or not lake.exists(table):
            rows_in = standardise(source)
            write_account(lake, table, source, rows_in, intake_id)
            made.append(source.name)
    for name in sorted(set(recorded) - {source.name for source in sources}):
        lake.delete(table, source=name)
        delete_records(lake, table, name)
    return made


@cache
def hash_rule_code() -> str:
    """Hash the code that converts native rows to standard rows, without its comments and docs.

    After a change of a rule, slices made with the earlier code are out of date.
    """
    modules = [file for pattern in RULE_CODE for file in sorted(PACKAGE.glob(pattern))]
    return digest_settings([hash_code(one.read_bytes(), docstrings=False) for one in modules])
