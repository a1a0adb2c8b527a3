"""Standard tables: demonstrations, preference pairs, mixtures, prompts, splits, and the ledger."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import lake_metadata, table_preview
from assets.study import Study
from transforms.lake.query import connect, report
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.table import SHARED
from transforms.prompts import splits
from transforms.prompts.collection import write_prompts
from transforms.settings.prompts import SplitSettings
from transforms.settings.sources import Role
from transforms.sources.intake import ledger, mixtures
from transforms.sources.intake.ingest import standardise_demonstrations, standardise_pairs
from transforms.sources.intake.standard_tables import update_slices

FRACTIONS = {name for name in SplitSettings.model_fields if name.endswith("_fraction")}


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets between the raw tables and the models."""
    recipe = study.recipe
    held_out = (recipe.splits, recipe.loop.iterations)

    def raw_names(role: Role) -> list[str]:
        return [f"raw_{source.name}" for source in recipe.resolve_sources(role)]

    def options(role: Role) -> dict[str, Any]:
        return {
            source.name: {"entry": source.entry_name, "options": source.options.model_dump()}
            for source in recipe.resolve_sources(role)
        }

    def held_out_settings() -> dict[str, Any]:
        return {"splits": recipe.splits.model_dump(include=FRACTIONS)}

    def made(step: Step, table: str, **metadata: Any) -> Made:
        """Describe a table and what its slice of the ledger holds."""
        reasons = ledger.count_reasons(step.lake, table)
        return Made(
            f"{table}@{step.lake.version(table)}",
            {
                **lake_metadata(step.lake, table),
                "dropped_rows": int(reasons["rows"].sum()),
                "dropped_by_reason": table_preview(reasons, 100),
                **metadata,
            },
        )

    def in_table(step: Step) -> Mapping[str, str]:
        return {"table": step.asset}

    @declare(
        study,
        "demonstrations",
        group="preferences",
        table=TABLES["demonstrations"],
        deps=raw_names("demonstrations"),
        settings=lambda _: {**held_out_settings(), "sources": options("demonstrations")},
        checks=("kept_and_dropped_add_up", "every_raw_row_found"),
        scope=in_table,
        kinds=("deltalake",),
    )
    def demonstrations(step: Step) -> Made:
        """Conversations whose prompt is held out are dropped."""

        def hold_out(rows: pl.DataFrame) -> ledger.Split:
            return splits.hold_out_demonstrations(rows, *held_out)

        done = update_slices(
            step.lake,
            step.asset,
            recipe.resolve_sources("demonstrations"),
            held_out_settings(),
            lambda source: standardise_demonstrations(step.lake, source, hold_out),
        )
        return made(step, step.asset, sources_done=", ".join(done) or "none")

    @declare(
        study,
        "preference_pairs",
        group="preferences",
        table=TABLES["preference_pairs"],
        deps=raw_names("preferences"),
        settings=lambda _: {**held_out_settings(), "sources": options("preferences")},
        checks=("chosen_differs_from_rejected", "kept_and_dropped_add_up", "every_raw_row_found"),
        scope=in_table,
        kinds=("deltalake",),
    )
    def preference_pairs(step: Step) -> Made:
        """Comparisons that break a rule or whose prompt is held out are dropped.

        Only sources whose rows, options or rules changed are done again.
        """

        def hold_out(rows: pl.DataFrame) -> ledger.Split:
            return splits.hold_out_pairs(rows, *held_out)

        done = update_slices(
            step.lake,
            step.asset,
            recipe.resolve_sources("preferences"),
            held_out_settings(),
            lambda source: standardise_pairs(step.lake, source, hold_out),
        )
        return made(step, step.asset, sources_done=", ".join(done) or "none")

    names = [mixtures.EVERYTHING, *recipe.mixtures]

    @declare(
        study,
        "mixture_pairs",
        group="preferences",
        table=TABLES["mixture_pairs"],
        deps=("preference_pairs",),
        settings=lambda _: {
            name: {
                source: part.model_dump() for source, part in recipe.resolve_mixture(name).items()
            }
            for name in names
        },
        checks=("mixed_and_dropped_make_train",),
        kinds=("deltalake",),
    )
    def mixture_pairs(step: Step) -> Made:
        """Duplicates, contradictions and pairs over a cap are dropped."""
        counts = mixtures.write_mixtures(
            step.lake, {name: recipe.resolve_mixture(name) for name in names}
        )
        version = step.lake.version("mixture_pairs")
        return Made(
            f"mixture_pairs@{version}",
            {
                **lake_metadata(step.lake, "mixture_pairs"),
                "pairs": table_preview(counts, 200),
            },
        )

    @declare(
        study,
        "prompts",
        group="preferences",
        table=TABLES["prompts"],
        deps=[*raw_names("prompts"), *(["evaluation_texts"] if recipe.evaluation_sets else [])],
        settings=lambda _: {"prompts": recipe.prompts.model_dump(), "sources": options("prompts")},
        checks=("kept_and_dropped_add_up",),
        scope=in_table,
        kinds=("deltalake",),
    )
    def prompts(step: Step) -> Made:
        """Near duplicates and prompts that overlap with an evaluation set are dropped."""
        write_prompts(
            step.lake,
            recipe.resolve_sources("prompts"),
            recipe.prompts,
            screened=bool(recipe.evaluation_sets),
        )
        return made(step, step.asset)

    @declare(
        study,
        "prompt_splits",
        group="preferences",
        table=TABLES["prompt_splits"],
        deps=("prompts", "demonstrations", "preference_pairs"),
        settings=lambda _: {"splits": recipe.splits.model_dump(), "iterations": held_out[1]},
        checks=(
            "no_prompt_in_two_splits",
            "no_held_out_prompt_in_training",
            "no_contaminated_prompt",
        ),
        scope=lambda step: {"experiment": SHARED},
        kinds=("deltalake",),
    )
    def prompt_splits(step: Step) -> Made:
        """A prompt is in one iteration or in one held-out split."""
        kept, dropped = splits.split_prompts(step.lake.read("prompts"), *held_out)
        ledger.write_ledger(step.lake, step.asset, dropped)
        step.lake.overwrite(step.asset, kept)
        counts = kept.group_by("split").len().sort("split")
        return made(step, step.asset, prompts_by_split=table_preview(counts, 40))

    @declare(
        study,
        "dropped_rows",
        group="preferences",
        table=TABLES["dropped_rows"],
        deps=("demonstrations", "preference_pairs", "mixture_pairs", "prompts", "prompt_splits"),
        kinds=("deltalake", "duckdb"),
    )
    def dropped_rows(step: Step) -> Made:
        """The tables upstream write their own slices; here they are counted by reason."""
        with connect(step.lake) as connection:
            reasons = report(connection, "dropped_by_reason")
        version = step.lake.version("dropped_rows")
        return Made(
            f"dropped_rows@{version}",
            {"delta_version": version, "by_reason": table_preview(reasons, 200)},
        )

    return [
        demonstrations,
        preference_pairs,
        mixture_pairs,
        prompts,
        prompt_splits,
        dropped_rows,
    ]
