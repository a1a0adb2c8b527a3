"""Standard tables: demonstrations, preference pairs, mixtures, prompts, splits, and the ledger."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.data.losses import length_warnings, loss_warnings
from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import lake_metadata, table_preview
from assets.study import Study
from training.recipe import Recipe
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.table import SHARED
from transforms.prompts import splits
from transforms.prompts.instructions.labelled_pairs import label_pairs
from transforms.settings.prompts import SplitSettings
from transforms.settings.sources import Role
from transforms.sources.intake import ledger, mixtures
from transforms.sources.intake.ingest import standardise_demonstrations, standardise_pairs
from transforms.sources.intake.sources import Source
from transforms.sources.intake.standard_tables import update_slices
from transforms.views.query import run_report

FRACTIONS = {name for name in SplitSettings.model_fields if name.endswith("_fraction")}
"""Settings of the splits that decide which prompts are held out."""


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets between the raw tables and the models, of the roles that sources have."""
    tables = _list_tables(study.recipe)
    builders = {
        "demonstrations": _build_demonstrations,
        "preference_pairs": _build_preference_pairs,
        "mixture_pairs": _build_mixture_pairs,
        "prompts": _build_prompts,
    }
    return [
        *(builders[name](study) for name in tables),
        _build_prompt_splits(study),
        _build_dropped_rows(study),
    ]


def _list_tables(recipe: Recipe) -> list[str]:
    """List the standard tables that the recipe's sources fill."""
    return [
        *(["demonstrations"] if recipe.resolve_sources("demonstrations") else []),
        *(["preference_pairs", "mixture_pairs"] if recipe.has_pairs else []),
        "prompts",
    ]


def _build_demonstrations(study: Study) -> dg.AssetsDefinition:
    recipe = study.recipe

    @declare(
        study,
        "demonstrations",
        group="data",
        table=TABLES["demonstrations"],
        deps=_list_raw_tables(recipe, "demonstrations"),
        settings=lambda _: _dump_held_out(recipe) | _dump_sources(recipe, "demonstrations"),
        checks=("kept_and_dropped_add_up", "every_raw_row_found"),
        warnings=[loss_warnings()],
        scope=_select_table,
        kinds=("deltalake",),
    )
    def demonstrations(step: Step) -> Made:
        """Conversations whose prompt is held out are dropped."""

        def hold_out(rows: pl.DataFrame) -> ledger.KeptAndDropped:
            return splits.hold_out_demonstrations(rows, recipe.splits, recipe.loop.iterations)

        made = update_slices(
            step.lake,
            step.asset,
            recipe.resolve_sources("demonstrations"),
            _dump_held_out(recipe),
            lambda source: standardise_demonstrations(step.lake, source, hold_out),
        )
        return _describe(step, sources_done=", ".join(made) or "none")

    return demonstrations


def _build_preference_pairs(study: Study) -> dg.AssetsDefinition:
    recipe = study.recipe

    @declare(
        study,
        "preference_pairs",
        group="data",
        table=TABLES["preference_pairs"],
        deps=_list_raw_tables(recipe, "preferences"),
        settings=lambda _: _dump_held_out(recipe) | _dump_sources(recipe, "preferences"),
        checks=("chosen_differs_from_rejected", "kept_and_dropped_add_up", "every_raw_row_found"),
        warnings=[loss_warnings()],
        scope=_select_table,
        kinds=("deltalake",),
    )
    def preference_pairs(step: Step) -> Made:
        """Comparisons that break a rule, or whose prompt is held out, are dropped.

        Only sources whose rows, options or rules have changed are made again.
        """

        def standardise(source: Source) -> int:
            def split(rows: pl.DataFrame) -> ledger.KeptAndDropped:
                rows, ties = label_pairs(rows, source.instructions)
                kept, held_out = splits.hold_out_pairs(rows, recipe.splits, recipe.loop.iterations)
                return kept, pl.concat([ties, held_out])

            return standardise_pairs(step.lake, source, split)

        made = update_slices(
            step.lake,
            step.asset,
            recipe.resolve_sources("preferences"),
            _dump_held_out(recipe),
            standardise,
        )
        return _describe(step, sources_done=", ".join(made) or "none")

    return preference_pairs


def _build_mixture_pairs(study: Study) -> dg.AssetsDefinition:
    recipe = study.recipe
    names = [mixtures.EVERYTHING, *recipe.mixtures]

    @declare(
        study,
        "mixture_pairs",
        group="data",
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
        return Made(
            f"{step.asset}@{step.lake.version(step.asset)}",
            {**lake_metadata(step.lake, step.asset), "pairs": table_preview(counts, 200)},
        )

    return mixture_pairs


def _build_prompts(study: Study) -> dg.AssetsDefinition:
    recipe = study.recipe
    evaluation_texts = ["evaluation_texts"] if recipe.evaluation_sets else []

    @declare(
        study,
        "prompts",
        group="data",
        table=TABLES["prompts"],
        deps=[*_list_raw_tables(recipe, "prompts"), *evaluation_texts],
        settings=lambda _: (
            {"prompts": recipe.prompts.model_dump()} | _dump_sources(recipe, "prompts")
        ),
        checks=("kept_and_dropped_add_up",),
        warnings=[loss_warnings()],
        scope=_select_table,
        kinds=("deltalake",),
    )
    def prompts(step: Step) -> Made:
        """Near duplicates and prompts that overlap with an evaluation set are dropped."""
        from transforms.prompts.collection import write_prompts
        from transforms.prompts.decontamination import count_searches

        write_prompts(
            step.lake,
            recipe.resolve_sources("prompts"),
            recipe.prompts,
            screened=bool(recipe.evaluation_sets),
        )
        searches = count_searches(
            step.lake.read("evaluation_texts"), recipe.prompts.decontamination
        )
        for row in searches.to_dicts():
            step.log.info(
                "{evaluation_set}: {items} items; prompts are searched for {by_ngram} of them by"
                " n-grams, for {as_whole_item} short ones as a whole; {as_whole_prompt} are only"
                " compared with whole prompts".format(**row)
            )
        return _describe(step, searches=table_preview(searches, 40))

    return prompts


def _build_prompt_splits(study: Study) -> dg.AssetsDefinition:
    settings, iterations = study.recipe.splits, study.recipe.loop.iterations
    room, tables = study.recipe.find_prompt_room(), _list_tables(study.recipe)

    @declare(
        study,
        "prompt_splits",
        group="data",
        table=TABLES["prompt_splits"],
        deps=(*(name for name in tables if name != "mixture_pairs"), "initial_model"),
        settings=lambda _: {
            "splits": settings.model_dump(),
            "iterations": iterations,
            "room": room._asdict(),
        },
        checks=(
            "no_prompt_in_two_splits",
            "no_held_out_prompt_in_training",
            "no_contaminated_prompt",
        ),
        warnings=[length_warnings()],
        scope=lambda step: {"experiment": SHARED},
        kinds=("deltalake",),
    )
    def prompt_splits(step: Step) -> Made:
        """A prompt is in one iteration or in one held-out split.

        Every prompt leaves room for the longest response in all experiments, by the tokenizer of
        the initial model, so that all experiments have the same prompts.
        """
        from training.models.token_counts import count_prompt_tokens, find_prompt_limit

        model = step.model("initial_model").path
        read = partial(step.lake.read_frames, "prompts")
        limit = splits.TokenLimit(
            find_prompt_limit(model, room), partial(count_prompt_tokens, read=read, model=model)
        )
        prompts = step.lake.scan("prompts").select(splits.PROMPT_COLUMNS).collect()
        kept, dropped = splits.split_prompts(prompts, settings, iterations, limit)
        ledger.write_ledger(step.lake, step.asset, dropped)
        step.lake.overwrite(step.asset, kept)
        counts = kept.group_by("split").len().sort("split")
        return _describe(
            step, prompts_by_split=table_preview(counts, 40), longest_prompt_tokens=limit.most
        )

    return prompt_splits


def _build_dropped_rows(study: Study) -> dg.AssetsDefinition:
    @declare(
        study,
        "dropped_rows",
        group="data",
        table=TABLES["dropped_rows"],
        deps=(*_list_tables(study.recipe), "prompt_splits"),
        kinds=("deltalake", "duckdb"),
    )
    def dropped_rows(step: Step) -> Made:
        """The upstream assets write their own slices; this asset counts them by reason."""
        version = step.lake.version("dropped_rows")
        reasons = run_report(step.lake, "dropped_by_reason", {"dropped_rows": version})
        return Made(
            f"dropped_rows@{version}",
            {"delta_version": version, "by_reason": table_preview(reasons, 200)},
        )

    return dropped_rows


def _list_raw_tables(recipe: Recipe, role: Role) -> list[str]:
    return [f"raw_{source.name}" for source in recipe.resolve_sources(role)]


def _dump_held_out(recipe: Recipe) -> dict[str, Any]:
    return {"splits": recipe.splits.model_dump(include=FRACTIONS)}


def _dump_sources(recipe: Recipe, role: Role) -> dict[str, Any]:
    sources = recipe.resolve_sources(role)
    return {
        "sources": {
            source.name: {
                "entry": source.entry_name,
                "options": source.options.model_dump(),
                **(source.dump_references() if role != "demonstrations" else {}),
            }
            for source in sources
        }
    }


def _select_table(step: Step) -> Mapping[str, str]:
    """Restrict the checks to the rows about the asset's own table."""
    return {"table": step.asset}


def _describe(step: Step, **metadata: Any) -> Made:
    """Describe the asset's table and the rows that the ledger has about it."""
    reasons = ledger.count_reasons(step.lake, step.asset)
    return Made(
        f"{step.asset}@{step.lake.version(step.asset)}",
        {
            **lake_metadata(step.lake, step.asset),
            "dropped_rows": int(reasons["rows"].sum()),
            "dropped_by_reason": table_preview(reasons, 100),
            **metadata,
        },
    )
