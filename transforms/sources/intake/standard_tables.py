"""Standard tables kept up to date source by source: what did not change is not done again.

Lives here: which source's slice is out of date, slices of sources that are gone. Not here: the work
on one source (`transforms.sources.intake.ingest`).
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from transforms.identity import digest_settings
from transforms.lake.lake import Lake
from transforms.sources.intake.ledger import delete_records, read_accounts, write_account
from transforms.sources.intake.sources import Source


def update_slices(
    lake: Lake,
    table: str,
    sources: Sequence[Source],
    settings: Mapping[str, Any],
    standardise: Callable[[Source], int],
) -> list[str]:
    """Bring the slices of a table up to date, one commit per source.

    A slice stands while its raw table, its options, `settings` and the code of the rules are those
    that made it. Slices of sources that the recipe no longer names are removed, ledger and account
    with them.

    Args:
        lake: the tables.
        table: preference_pairs or demonstrations.
        sources: all that enter it.
        settings: what every slice depends on besides its source.
        standardise: writes one source's slice and ledger, and counts what came in.

    Returns:
        Names of the sources that were done.
    """
    recorded = read_accounts(lake, table)
    done = []
    for source in sources:
        intake_id = digest_settings(
            {
                "raw": lake.version(f"raw_{source.name}"),
                "entry": source.entry_name,
                "options": source.options.model_dump(),
                "rules": hash_rule_code(),
                **settings,
            }
        )
        if recorded.get(source.name) != intake_id or not lake.exists(table):
            rows_in = standardise(source)
            write_account(lake, table, source, rows_in, intake_id)
            done.append(source.name)
    for name in sorted(set(recorded) - {source.name for source in sources}):
        lake.delete(table, source=name)
        delete_records(lake, table, name)
    return done


@cache
def hash_rule_code() -> str:
    """Hash the code that turns native rows into standard ones: a mended rule makes slices old."""
    sources = Path(__file__).parents[1]
    modules = [
        sources.parent / "identity.py",
        sources / "files" / "json_rows.py",
        sources / "files" / "tabular.py",
        sources / "intake" / "demonstrations.py",
        sources / "intake" / "preferences.py",
        *sorted(sources.glob("layouts/*.py")),
        *sorted(sources.glob("catalog/*.py")),
    ]
    whole = hashlib.sha256()
    for module in modules:
        whole.update(module.read_bytes())
    return whole.hexdigest()[:32]
