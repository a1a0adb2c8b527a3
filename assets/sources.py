"""Raw tables: one asset a source of the recipe, rows as the source lays them out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from assets.materialize import Made, Step, declare
from assets.metadata import table_metadata
from assets.study import Study
from training.recipe import Recipe
from transforms.reading import read_source
from transforms.sample_source import read_sample_task
from transforms.settings import SourceSettings


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build one `raw_<source>` asset a source."""
    return list(_build(study))


def _build(study: Study) -> Iterator[dg.AssetsDefinition]:
    for name, source in study.recipe.sources.items():

        @declare(
            study,
            f"raw_{name}",
            group="raw",
            settings=lambda _, source=source: source_settings(study.recipe, source),
            kinds=("deltalake", "sample_task" if source.sample_task else source.layout),
            description=f"One row per row of the source {name} ({source.layout} layout), used as "
            f"{source.role}, with its row key.",
        )
        def raw(step: Step, name: str = name, source: SourceSettings = source) -> Made:
            rows = (
                read_sample_task(source.role, study.recipe.sample_task)
                if source.sample_task
                else read_source(source)
            )
            table = f"raw_{name}"
            version = step.lake.overwrite(table, rows)
            return Made(f"{table}@{version}", table_metadata(rows, version))

        yield raw


def source_settings(recipe: Recipe, source: SourceSettings) -> dict[str, Any]:
    """Say what a raw table depends on: the source, and its files' sizes and times of change."""
    settings: dict[str, Any] = source.model_dump()
    if source.sample_task:
        settings["task"] = recipe.sample_task.model_dump()
    stats = [Path(file).stat() if Path(file).exists() else None for file in source.files]
    settings["file_bytes_and_mtime_ns"] = [
        stat and (stat.st_size, stat.st_mtime_ns) for stat in stats
    ]
    return settings
