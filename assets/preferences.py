"""Standard tables: demonstrations, preference pairs, prompts, their splits, and the ledger."""

import dagster as dg
import polars as pl

from assets.materialize import Made, Step, declare
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from transforms import layouts, preferences, splits
from transforms.query import connect, report
from transforms.schemas import SHARED
from transforms.settings import SplitSettings

Split = tuple[pl.DataFrame, pl.DataFrame]


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets between the raw tables and the models."""
    recipe = study.recipe
    held_out = (recipe.splits, recipe.loop.iterations)

    def sources(role: str) -> dict[str, str]:
        """Layouts of the sources with a role, by name."""
        return {
            name: source.layout for name, source in recipe.sources.items() if source.role == role
        }

    def raw_names(role: str) -> list[str]:
        return [f"raw_{name}" for name in sources(role)]

    def held_out_settings(_: object) -> dict[str, object]:
        fractions = {name for name in SplitSettings.model_fields if name.endswith("_fraction")}
        return {"splits": recipe.splits.model_dump(include=fractions)}

    def split_settings(_: object) -> dict[str, object]:
        return {"splits": recipe.splits.model_dump(), "iterations": recipe.loop.iterations}

    def write(step: Step, table: str, kept: pl.DataFrame, dropped: list[pl.DataFrame]) -> Made:
        """Write a table and its slice of the ledger, ledger first: no row is ever in neither."""
        removed = pl.concat(dropped)
        ledger = step.lake.overwrite("dropped_rows", removed, table=table)
        version = step.lake.overwrite(table, kept)
        step.log.info(f"{table}: kept {kept.height}, dropped {removed.height}")
        return Made(
            f"{table}@{version}",
            {
                **table_metadata(kept, version),
                "dropped_rows": removed.height,
                "dropped_by_reason": table_preview(preferences.count_reasons(removed), 40),
                "dropped_rows_version": ledger,
            },
        )

    @declare(
        study,
        "demonstrations",
        group="preferences",
        deps=raw_names("demonstrations"),
        settings=held_out_settings,
        kinds=("deltalake",),
    )
    def demonstrations(step: Step) -> Made:
        """One row per fine-tuning conversation whose prompt is not held out."""
        kept, dropped = [], []
        for name, layout in sources("demonstrations").items():
            rows = layouts.to_demonstrations(step.lake.read(f"raw_{name}"), layout)
            good, malformed = preferences.split_demonstrations(name, rows)
            used, held = splits.hold_out_demonstrations(good, *held_out)
            kept.append(used)
            dropped += [malformed, held]
        return write(step, "demonstrations", pl.concat(kept), dropped)

    @declare(
        study,
        "preference_pairs",
        group="preferences",
        deps=raw_names("preferences"),
        settings=held_out_settings,
        checks=("chosen_differs_from_rejected",),
        kinds=("deltalake",),
    )
    def preference_pairs(step: Step) -> Made:
        """One row per kept comparison: the structural filter passed, the prompt not held out."""
        kept, dropped = [], []
        for name, layout in sources("preferences").items():
            rows = layouts.to_pairs(step.lake.read(f"raw_{name}"), layout)
            good, malformed = preferences.split_pairs(name, rows)
            used, held = splits.hold_out_pairs(good, *held_out)
            kept.append(used)
            dropped += [malformed, held]
        return write(step, "preference_pairs", pl.concat(kept), dropped)

    @declare(study, "prompts", group="preferences", deps=raw_names("prompts"), kinds=("deltalake",))
    def prompts(step: Step) -> Made:
        """One row per distinct prompt of the prompt sources."""
        rows = {
            name: layouts.to_prompts(step.lake.read(f"raw_{name}"), layout)
            for name, layout in sources("prompts").items()
        }
        kept, dropped = preferences.collect_prompts(rows)
        return write(step, "prompts", kept, [dropped])

    @declare(
        study,
        "prompt_splits",
        group="preferences",
        deps=("prompts", "demonstrations", "preference_pairs"),
        settings=split_settings,
        checks=("no_prompt_in_two_splits", "no_held_out_prompt_in_training"),
        scope=lambda step: {"experiment": SHARED},
        kinds=("deltalake",),
    )
    def prompt_splits(step: Step) -> Made:
        """One row per prompt that is used: an iteration's, a validation or an evaluation prompt."""
        kept, dropped = splits.split_prompts(step.lake.read("prompts"), *held_out)
        return write(step, "prompt_splits", kept, [dropped])

    @declare(
        study,
        "dropped_rows",
        group="preferences",
        deps=("demonstrations", "preference_pairs", "prompts", "prompt_splits"),
        kinds=("deltalake", "duckdb"),
    )
    def dropped_rows(step: Step) -> Made:
        """One row per row, pair or prompt that a rule removed, with its reason.

        The tables upstream write their own slices; here they are counted by reason.
        """
        with connect(step.lake) as connection:
            reasons = report(connection, "dropped_by_reason")
        version = step.lake.version("dropped_rows")
        return Made(
            f"dropped_rows@{version}",
            {"delta_version": version, "by_reason": table_preview(reasons, 100)},
        )

    return [demonstrations, preference_pairs, prompts, prompt_splits, dropped_rows]
