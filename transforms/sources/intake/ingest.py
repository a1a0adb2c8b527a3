"""Intake of one source, batch by batch: files to its raw table, raw table to standard rows.

Not here: reading (`transforms.sources.files.reading`), rules
(`transforms.sources.intake.preferences`, `transforms.sources.intake.demonstrations`), splits
(`transforms.prompts.splits`).

Every slice is one commit. The ledger is committed first and the account last. So a row is always in
the table or in the ledger, and an account exists only after both.
"""

from collections.abc import Callable

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.sources.files.content import fingerprint_origin
from transforms.sources.files.native_fields import MissingColumnsError
from transforms.sources.files.reading import ROW_KEY, read_batches
from transforms.sources.intake.demonstrations import split_demonstrations
from transforms.sources.intake.duplicates import FirstSeen
from transforms.sources.intake.fits import explain_columns
from transforms.sources.intake.ledger import KeptAndDropped, write_account, write_ledger
from transforms.sources.intake.losses import require_kept
from transforms.sources.intake.preferences import limit_pairs, split_pairs
from transforms.sources.intake.sources import Source
from transforms.workers import map_in_order


def ingest(lake: Lake, source: Source) -> int:
    """Write `raw_<source>`: native columns and row_key. Rows that do not fit go to the ledger.

    Returns:
        The table's version.

    Raises:
        InputError: see `transforms.sources.files.reading.read_batches`; the table keeps its last
            version.
    """
    table, entry = f"raw_{source.name}", source.entry
    content = fingerprint_origin(source.origin)
    malformed: list[pl.DataFrame] = []
    rows_in = 0
    schema = pl.Schema({ROW_KEY: pl.String, **entry.native})
    try:
        with lake.overwrite_frames(table, schema) as write:
            for batch in read_batches(source.name, source.origin, entry.native, entry.optional):
                rows_in += batch.rows.height + batch.malformed.height
                malformed.append(batch.malformed)
                write(batch.rows.select(list(schema)))
            write_ledger(
                lake, table, _malformed_rows(table, source.name, malformed), source=source.name
            )
    except MissingColumnsError as error:
        raise explain_columns(error, source.origin) from None
    write_account(lake, table, source, rows_in, content)
    return lake.version(table)


def standardise_pairs(
    lake: Lake, source: Source, hold_out: Callable[[pl.DataFrame], KeptAndDropped]
) -> int:
    """Write a source's slice of `preference_pairs` and of the ledger.

    Args:
        lake: the lake with the raw table.
        source: a source with the role preferences.
        hold_out: splits pairs into rows of `preference_pairs` and dropped rows.

    Returns:
        Number of candidate pairs.

    Raises:
        InputError: no candidate passes the rules; the slice keeps its last rows.
    """
    table = "preference_pairs"
    layout, seen = source.layout("preferences"), FirstSeen(table, "pair")
    ledger = [pl.DataFrame(schema=schema_of("dropped_rows"))]
    candidates_in = valid = 0

    def apply(raw: pl.DataFrame) -> tuple[int, pl.DataFrame, pl.DataFrame]:
        candidates = layout(raw, source.options)
        rules = source.entry.rules(source.options)
        return candidates.height, *split_pairs(source.name, candidates, source.options, rules)

    with lake.overwrite_frames(table, pl.Schema(schema_of(table)), source=source.name) as write:
        raws = lake.read_frames(f"raw_{source.name}", group_by=source.entry.group_by)
        for height, kept, broken in map_in_order(apply, raws):
            candidates_in += height
            valid += kept.height
            first, repeated = seen.split(kept)
            limited, over_limit = limit_pairs(first, source.options)
            used, held_out = hold_out(limited)
            ledger += [broken, repeated, over_limit, held_out]
            write(used)
        dropped = pl.concat(ledger)
        require_kept(lake, table, source.name, candidates_in, valid, dropped)
        write_ledger(lake, table, dropped, source=source.name)
    return candidates_in


def standardise_demonstrations(
    lake: Lake, source: Source, hold_out: Callable[[pl.DataFrame], KeptAndDropped]
) -> int:
    """Write a source's slice of `demonstrations` and of the ledger (`standardise_pairs`)."""
    table, layout = "demonstrations", source.layout("demonstrations")
    ledger = [pl.DataFrame(schema=schema_of("dropped_rows"))]
    rows_in = valid = 0
    with lake.overwrite_frames(table, pl.Schema(schema_of(table)), source=source.name) as write:
        for raw in lake.read_frames(f"raw_{source.name}"):
            rows = layout(raw, source.options)
            rows_in += rows.height
            kept, broken = split_demonstrations(source.name, rows, source.options)
            valid += kept.height
            used, held_out = hold_out(kept)
            ledger += [broken, held_out]
            write(used)
        dropped = pl.concat(ledger)
        require_kept(lake, table, source.name, rows_in, valid, dropped)
        write_ledger(lake, table, dropped, source=source.name)
    return rows_in


def _malformed_rows(table: str, source: str, malformed: list[pl.DataFrame]) -> pl.DataFrame:
    rows = pl.concat(malformed)
    return rows.select(
        table=pl.lit(table),
        source=pl.lit(source),
        row_key="row_key",
        reason=pl.lit("malformed_row"),
        evidence="evidence",
    )
