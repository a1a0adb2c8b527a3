"""Rules for prompts: the prompts of a source that are kept, and the reasons for dropped ones.

Not here: native columns (`transforms.sources.catalog`), near duplicates
(`transforms.prompts.near_duplicates`), evaluation sets (`transforms.prompts.decontamination`),
splits (`transforms.prompts.splits`).
"""

import polars as pl

from transforms.identity import identify_messages
from transforms.lake.schemas import schema_of
from transforms.settings.source_options import SourceOptions
from transforms.sources.layouts.conversations import treat_system_turn
from transforms.sources.layouts.rules import apply_rules
from transforms.sources.layouts.turn_rules import require_shape

PROMPT_ROLES = "^(system,)?user(,assistant,user)*$"


def split_prompt_rows(
    source: str, rows: pl.DataFrame, options: SourceOptions | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split prompts of a source into `prompts` and `dropped_rows`.

    The rows have row_key, prompt, verdict, and reference if the source has references.

    A prompt is kept if user and assistant alternate after an optional system turn, the last turn is
    the user's, and no turn is empty. The kept rows also have `row_key`. Duplicates are not removed
    yet.
    """
    treatment = (options or SourceOptions()).system_turn
    if "reference" not in rows.columns:
        rows = rows.with_columns(reference=pl.lit(None, pl.String))
    known = rows.with_columns(
        source=pl.lit(source), prompt=treat_system_turn(pl.col("prompt"), treatment)
    )
    kept, dropped = apply_rules("prompts", known, require_shape("prompt", PROMPT_ROLES))
    text = pl.element().struct.field("content")
    kept = kept.with_columns(
        prompt_id=identify_messages("prompt"),
        prompt_chars=pl.col("prompt").list.eval(text.str.len_chars()).list.sum().cast(pl.Int64),
    )
    return kept.select("row_key", *schema_of("prompts")), dropped


def prompt_text(column: str = "prompt") -> pl.Expr:
    """Join the turns of a prompt to one text, for the comparison with other prompts."""
    return pl.col(column).list.eval(pl.element().struct.field("content")).list.join("\n")
