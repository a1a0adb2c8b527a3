"""Raw tables, one asset per source of the recipe, and the texts of the evaluation sets."""

import dagster as dg

from assets.data.losses import loss_warnings
from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import lake_metadata, table_preview
from assets.study import Study
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.preferences import raw_table
from transforms.prompts.evaluation_texts import read_evaluation_sets
from transforms.sources.files.content import describe_origin
from transforms.sources.files.folders import join_names, list_parts
from transforms.sources.intake.ingest import ingest
from transforms.sources.intake.sources import Source
from transforms.sources.sample.raw_rows import ingest_sample_task


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build one asset `raw_<source>` per source, and `evaluation_texts` if the recipe has sets."""
    assets = [_build_raw_table(study, source) for source in study.recipe.resolve_sources()]
    if study.recipe.evaluation_sets:
        assets.append(_build_evaluation_texts(study))
    return assets


def _build_raw_table(study: Study, source: Source) -> dg.AssetsDefinition:
    recipe = study.recipe
    task = recipe.sample_task if recipe.sources[source.name].sample_task else None
    settings = {
        "entry": source.entry_name,
        "origin": describe_origin(source.origin),
        "task": task and task.model_dump(),
        **source.dump_references(),
    }

    @declare(
        study,
        f"raw_{source.name}",
        group="raw",
        table=raw_table(source.entry.native),
        settings=lambda _: settings,
        checks=("kept_and_dropped_add_up",),
        warnings=[loss_warnings()],
        scope=lambda step: {"table": step.asset},
        kinds=("deltalake", "sample_task" if task else source.entry_name),
        description=f"Source {source.name}, entry {source.entry_name}, used as "
        f"{', '.join(source.roles)}. {source.entry.facts}",
    )
    def raw(step: Step) -> Made:
        version = ingest_sample_task(step.lake, source, task) if task else ingest(step.lake, source)
        metadata = lake_metadata(step.lake, step.asset)
        if source.origin.files:
            metadata["read_from"] = ", ".join(source.origin.files)
        if source.origin.files and (left_out := list_parts(source.origin.files).left_out):
            metadata["files_left_out"] = ", ".join(left_out)
            step.log.warning(f"{step.asset}: left out, no data: {join_names(left_out)}")
        return Made(f"{step.asset}@{version}", metadata)

    return raw


def _build_evaluation_texts(study: Study) -> dg.AssetsDefinition:
    origins = study.recipe.evaluation_sets

    @declare(
        study,
        "evaluation_texts",
        group="raw",
        table=TABLES["evaluation_texts"],
        settings=lambda _: {name: describe_origin(origin) for name, origin in origins.items()},
        kinds=("deltalake",),
    )
    def evaluation_texts(step: Step) -> Made:
        """Items are from the files of the recipe's evaluation sets."""
        texts = read_evaluation_sets(origins)
        version = step.lake.overwrite("evaluation_texts", texts)
        counts = texts.group_by("evaluation_set").len().sort("evaluation_set")
        return Made(
            f"evaluation_texts@{version}",
            {**lake_metadata(step.lake, "evaluation_texts"), "items": table_preview(counts, 40)},
        )

    return evaluation_texts
