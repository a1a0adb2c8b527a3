"""Rules for demonstrations: the conversations that are kept, and the reasons for dropped ones.

Not here: native columns (`transforms.sources.catalog`), held-out prompts
(`transforms.prompts.splits`).
"""

import polars as pl

from transforms.identity import identify_messages
from transforms.lake.schemas import schema_of
from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.conversations import drop_last_turn, treat_system_turn
from transforms.sources.layouts.rules import apply_rules
from transforms.sources.layouts.turn_rules import require_shape

DEMONSTRATION_ROLES = "^(system,)?user,assistant(,user,assistant)*$"


def split_demonstrations(
    source: str, rows: pl.DataFrame, options: SourceOptions | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split conversations (row_key, messages, verdict) into `demonstrations` and `dropped_rows`.

    A conversation is kept if user and assistant alternate after an optional system turn, the last
    turn is the assistant's, and no turn is empty. Demonstrations may have a system turn, so that
    the option `system_turn: drop` has no effect here.
    """
    treatment = (options or SourceOptions()).system_turn
    known = rows.with_columns(
        source=pl.lit(source), messages=treat_system_turn(pl.col("messages"), treatment)
    )
    kept, dropped = apply_rules(
        "demonstrations", known, require_shape("messages", DEMONSTRATION_ROLES)
    )
    kept = kept.with_columns(prompt=drop_last_turn(pl.col("messages")))
    kept = kept.with_columns(prompt_id=identify_messages("prompt"))
    return kept.select(list(schema_of("demonstrations"))), dropped
