"""The prompt collection: distinct prompts of all sources, without prompts of evaluation sets.

Lives here: the order of the steps and their dropped rows. Not here: the steps
(`transforms.prompts.prompt_rules`, `transforms.prompts.near_duplicates`,
`transforms.prompts.decontamination`), splits (`transforms.prompts.splits`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.prompts.decontamination import find_contaminated
from transforms.prompts.instructions.compose import compose_instructions
from transforms.prompts.near_duplicates import find_near_duplicates
from transforms.prompts.prompt_rules import prompt_text, split_prompt_rows
from transforms.settings.prompts import PromptSettings
from transforms.sources.intake.duplicates import FirstSeen
from transforms.sources.intake.ledger import (
    delete_records,
    read_accounts,
    write_account,
    write_ledger,
)
from transforms.sources.intake.losses import require_kept
from transforms.sources.intake.sources import Source
from transforms.sources.layouts.rules import Rule, apply_rules


class Collection(NamedTuple):
    """Collected prompts and the rows dropped on the way."""

    prompts: pl.DataFrame
    """Rows of `prompts`."""
    dropped: pl.DataFrame
    """Rows of `dropped_rows` about the table `prompts`."""
    contaminated: pl.DataFrame
    """Rows of `contaminated_prompts`."""
    rows_in: dict[str, int]
    """Number of rows before any rule, by source."""


def write_prompts(
    lake: Lake, sources: Sequence[Source], settings: PromptSettings, *, screened: bool
) -> None:
    """Write `prompts`, `contaminated_prompts`, and the rows of ledger and accounts about them.

    Args:
        lake: the lake with the raw tables.
        sources: sources with the role prompts.
        settings: settings of near duplicates and decontamination.
        screened: whether the recipe has evaluation sets; if not, `evaluation_texts` is emptied.
    """
    if not screened:
        lake.overwrite("evaluation_texts", pl.DataFrame(schema=schema_of("evaluation_texts")))
    collection = collect_prompts(lake, sources, settings, lake.read("evaluation_texts"))
    write_ledger(lake, "prompts", collection.dropped)
    lake.overwrite("contaminated_prompts", collection.contaminated)
    lake.overwrite("prompts", collection.prompts)
    for source in sources:
        write_account(lake, "prompts", source, collection.rows_in[source.name])
    for removed in sorted(set(read_accounts(lake, "prompts")) - set(collection.rows_in)):
        delete_records(lake, "prompts", removed)


def collect_prompts(
    lake: Lake, sources: Sequence[Source], settings: PromptSettings, evaluation_texts: pl.DataFrame
) -> Collection:
    """Collect the prompts of raw tables.

    If several sources have a prompt, it is kept as a row of the first source in alphabetical order.
    Then near duplicates are dropped, then prompts that contain an n-gram of an evaluation item,
    or a whole short item.

    Args:
        lake: the lake with the raw tables.
        sources: sources with the role prompts.
        settings: settings of near duplicates and decontamination.
        evaluation_texts: table of that name.

    Raises:
        InputError: no row of a source passes the rules, or no prompt is left at the end.
    """
    seen = FirstSeen("prompts", "prompt")
    kept: list[pl.DataFrame] = []
    dropped: list[pl.DataFrame] = []
    rows_in: dict[str, int] = {}
    for source in sorted(sources, key=lambda source: source.name):
        rows_in[source.name] = valid_rows = 0
        all_broken = []
        for raw in lake.read_frames(f"raw_{source.name}"):
            rows = source.layout("prompts")(raw, source.options)
            if source.instructions is not None:
                rows = compose_instructions(rows, source.instructions)
            rows_in[source.name] += rows.height
            valid, broken = split_prompt_rows(source.name, rows, source.options)
            valid_rows += valid.height
            all_broken.append(broken)
            first, repeated = seen.split(valid)
            kept.append(first)
            dropped.append(repeated)
        broken_rows = pl.concat(all_broken)
        require_kept(lake, "prompts", source.name, rows_in[source.name], valid_rows, broken_rows)
        dropped.append(broken_rows)
    prompts = pl.concat(kept)
    prompts, near_duplicates = _drop_near_duplicates(prompts, settings)
    prompts, contaminated, spans = _drop_contaminated(prompts, settings, evaluation_texts)
    all_dropped = pl.concat([*dropped, near_duplicates, contaminated])
    names = ", ".join(rows_in)
    require_kept(lake, "prompts", names, sum(rows_in.values()), prompts.height, all_dropped)
    return Collection(
        prompts.select(list(schema_of("prompts"))),
        all_dropped,
        spans,
        rows_in,
    )


def _drop_near_duplicates(
    prompts: pl.DataFrame, settings: PromptSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    if settings.near_duplicates is None:
        return prompts, pl.DataFrame(schema=schema_of("dropped_rows"))
    texts = prompts.select("prompt_id", text=prompt_text())
    found = find_near_duplicates(texts, settings.near_duplicates)
    matched = prompts.join(found, on="prompt_id", how="left", maintain_order="left")
    evidence = pl.format("near prompt {}, similarity {}", "kept_id", pl.col("similarity").round(3))
    return apply_rules(
        "prompts", matched, [Rule("near_duplicate", pl.col("kept_id").is_not_null(), evidence)]
    )


def _drop_contaminated(
    prompts: pl.DataFrame, settings: PromptSettings, evaluation_texts: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    texts = prompts.select("prompt_id", text=prompt_text())
    spans = find_contaminated(texts, evaluation_texts, settings.decontamination)
    spans = spans.sort("prompt_id", "evaluation_set", "item")
    found = spans.group_by("prompt_id", maintain_order=True).agg(
        pl.col("evaluation_set", "item", "span").first(), items=pl.len()
    )
    matched = prompts.join(found, on="prompt_id", how="left", maintain_order="left")
    others = pl.when(pl.col("items") > 1).then(pl.format(" and {} more", pl.col("items") - 1))
    evidence = pl.format(
        "{} {}{}: {}",
        "evaluation_set",
        "item",
        others.fill_null(""),
        pl.col("span").str.slice(0, 200),
    )
    clean, dropped = apply_rules(
        "prompts", matched, [Rule("contaminated", pl.col("items").is_not_null(), evidence)]
    )
    return clean, dropped, spans.select(list(schema_of("contaminated_prompts")))
