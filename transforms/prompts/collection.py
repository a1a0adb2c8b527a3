"""The prompt collection: distinct prompts of all sources, without prompts of evaluation sets.

Lives here: the order of the steps and their dropped rows. Not here: the steps
(`transforms.prompts.prompt_rules`, `transforms.prompts.near_duplicates`,
`transforms.prompts.decontamination`), splits (`transforms.prompts.splits`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.lake.work_folders import open_work_folder
from transforms.prompts.decontamination import find_contaminated
from transforms.prompts.instructions.compose import compose_instructions
from transforms.prompts.near_duplicates import NEAR_DUPLICATES, find_near_duplicates
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

PART_CHARS = 8_000_000
"""Characters of prompts in a part; parts are read one at a time."""


class Collection(NamedTuple):
    """Distinct prompts in files, and the rows dropped on the way."""

    parts: list[Path]
    """Parquet files of `prompts` with row_key, in order; at most `PART_CHARS` and a frame each."""
    dropped: list[pl.DataFrame]
    """Rows of `dropped_rows` about the table `prompts`."""
    rows_in: dict[str, int]
    """Number of rows before any rule, by source."""


def write_prompts(
    lake: Lake, sources: Sequence[Source], settings: PromptSettings, *, screened: bool
) -> None:
    """Write `prompts`, `contaminated_prompts`, and the rows of ledger and accounts about them.

    If several sources have a prompt, it is kept as a row of the first source in alphabetical order.
    Then near duplicates are dropped, then prompts that contain an n-gram of an evaluation item,
    or a whole short item. The texts of one part are in memory; those of all prompts, without
    responses, only for the search of near duplicates.

    Args:
        lake: the lake with the raw tables.
        sources: sources with the role prompts.
        settings: settings of near duplicates and decontamination.
        screened: whether the recipe has evaluation sets; if not, `evaluation_texts` is emptied.

    Raises:
        InputError: no row of a source passes the rules, or no prompt is left at the end.
    """
    if not screened:
        lake.overwrite("evaluation_texts", pl.DataFrame(schema=schema_of("evaluation_texts")))
    evaluation_texts = lake.read("evaluation_texts")
    schema = pl.Schema(schema_of("prompts"))
    near_duplicates, contaminated, all_spans, kept = [], [], [], 0
    with (
        open_work_folder(lake.store.work, "prompts") as folder,
        lake.overwrite_frames("prompts", schema) as write,
    ):
        collection = collect_prompts(lake, sources, folder)
        found = _find_near_duplicates(collection.parts, settings)
        for part in map(pl.read_parquet, collection.parts):
            distinct, near = _drop_near_duplicates(part, found)
            clean, overlapping, spans = _drop_contaminated(distinct, settings, evaluation_texts)
            near_duplicates.append(near)
            contaminated.append(overlapping)
            all_spans.append(spans)
            kept += clean.height
            write(clean.select(list(schema)))
        dropped = pl.concat([*collection.dropped, *near_duplicates, *contaminated])
        names = ", ".join(collection.rows_in)
        require_kept(lake, "prompts", names, sum(collection.rows_in.values()), kept, dropped)
        write_ledger(lake, "prompts", dropped)
        spans = pl.concat(all_spans).sort("prompt_id", "evaluation_set", "item")
        lake.overwrite("contaminated_prompts", spans)
    for source in sources:
        write_account(lake, "prompts", source, collection.rows_in[source.name])
    for removed in sorted(set(read_accounts(lake, "prompts")) - set(collection.rows_in)):
        delete_records(lake, "prompts", removed)


def collect_prompts(lake: Lake, sources: Sequence[Source], folder: Path) -> Collection:
    """Write the distinct prompts of raw tables to files in a folder.

    Raises:
        InputError: no row of a source passes the rules.
    """
    seen = FirstSeen("prompts", "prompt")
    parts: list[Path] = []
    pending: list[pl.DataFrame] = []
    pending_chars = 0
    dropped: list[pl.DataFrame] = []
    rows_in: dict[str, int] = {}

    def write_part() -> None:
        parts.append(folder / f"{len(parts)}.parquet")
        pl.concat(pending).write_parquet(parts[-1])
        pending.clear()

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
            dropped.append(repeated)
            pending.append(first)
            pending_chars += int(first["prompt_chars"].sum())
            if pending_chars >= PART_CHARS:
                write_part()
                pending_chars = 0
        broken_rows = pl.concat(all_broken)
        require_kept(lake, "prompts", source.name, rows_in[source.name], valid_rows, broken_rows)
        dropped.append(broken_rows)
    if pending:
        write_part()
    return Collection(parts, dropped, rows_in)


def _find_near_duplicates(parts: Iterable[Path], settings: PromptSettings) -> pl.DataFrame:
    if settings.near_duplicates is None:
        return pl.DataFrame(schema=NEAR_DUPLICATES)
    texts = [pl.read_parquet(part).select("prompt_id", text=prompt_text()) for part in parts]
    return find_near_duplicates(pl.concat(texts), settings.near_duplicates)


def _drop_near_duplicates(
    prompts: pl.DataFrame, found: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
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
