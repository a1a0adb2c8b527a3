"""Raw tables: one asset per source of the recipe, rows as the source lays them out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import lake_metadata, table_preview
from assets.study import Study
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.preferences import raw_table
from transforms.prompts.evaluation_texts import read_evaluation_sets
from transforms.settings.sources import OriginSettings
from transforms.sources.intake.ingest import ingest
from transforms.sources.intake.sources import Source
from transforms.sources.sample.raw_rows import ingest_sample_task


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build one `raw_<source>` asset a source, and the texts of the evaluation sets."""
    return [*_raw_tables(study), *_evaluation_texts(study)]


def _raw_tables(study: Study) -> Iterator[dg.AssetsDefinition]:
    recipe = study.recipe
    for source in recipe.resolve_sources():
        task = recipe.sample_task if recipe.sources[source.name].sample_task else None
        settings = {
            "entry": source.entry_name,
            "origin": origin_settings(source.origin),
            "task": task and task.model_dump(),
        }

        @declare(
            study,
            f"raw_{source.name}",
            group="raw",
            table=raw_table(source.entry.native),
            settings=lambda _, settings=settings: settings,
            checks=("kept_and_dropped_add_up",),
            scope=lambda step: {"table": step.asset},
            kinds=("deltalake", "sample_task" if task else source.entry_name),
            description=f"Source {source.name}, read as {source.entry_name}, used as "
            f"{', '.join(source.roles)}. {source.entry.facts}",
        )
        def raw(step: Step, source: Source = source, task: Any = task) -> Made:
            if task:
                version = ingest_sample_task(step.lake, source, task)
            else:
                version = ingest(step.lake, source)
            return Made(f"{step.asset}@{version}", lake_metadata(step.lake, step.asset))

        yield raw


def _evaluation_texts(study: Study) -> Iterator[dg.AssetsDefinition]:
    origins = study.recipe.evaluation_sets
    if not origins:
        return

    @declare(
        study,
        "evaluation_texts",
        group="raw",
        table=TABLES["evaluation_texts"],
        settings=lambda _: {name: origin_settings(origin) for name, origin in origins.items()},
        kinds=("deltalake",),
    )
    def evaluation_texts(step: Step) -> Made:
        """The items are read from the files of the recipe's evaluation sets."""
        texts = read_evaluation_sets(origins)
        version = step.lake.overwrite("evaluation_texts", texts)
        counts = texts.group_by("evaluation_set").len().sort("evaluation_set")
        return Made(
            f"evaluation_texts@{version}",
            {**lake_metadata(step.lake, "evaluation_texts"), "items": table_preview(counts, 40)},
        )

    yield evaluation_texts


def origin_settings(origin: OriginSettings) -> dict[str, Any]:
    """Say what a table read from files depends on: their names, sizes and times of change."""
    stats = [Path(file).stat() if Path(file).exists() else None for file in origin.files]
    return {
        **origin.model_dump(),
        "file_bytes_and_mtime_ns": [stat and (stat.st_size, stat.st_mtime_ns) for stat in stats],
    }
