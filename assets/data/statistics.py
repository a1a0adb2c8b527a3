"""Statistics of the data: token counts of the comparisons, the map of the prompts.

Not here: statistics computed by SQL (`assets.reports`).
"""

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import lake_metadata, picture, table_metadata
from assets.study import Study
from training.models.checkpoint import identify_model
from transforms.lake.schemas import TABLES, schema_of
from transforms.settings.prompts import PromptMapSettings


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build `preference_tokens` if there are pairs, `prompt_map` if the recipe has its settings."""
    assets = [_build_preference_tokens(study)] if study.recipe.has_pairs else []
    if study.recipe.prompt_map:
        assets.append(_build_prompt_map(study, study.recipe.prompt_map))
    return assets


def _build_preference_tokens(study: Study) -> dg.AssetsDefinition:
    @declare(
        study,
        "preference_tokens",
        group="data",
        table=TABLES["preference_tokens"],
        deps=("preference_pairs", "initial_model"),
        kinds=("deltalake",),
    )
    def preference_tokens(step: Step) -> Made:
        """The initial model's tokenizer and chat template count the tokens."""
        from training.models.token_counts import count_tokens

        lake, table = step.lake, step.asset
        model = step.model("initial_model")
        counts = count_tokens(
            lake.read_frames("preference_pairs"),
            model.path,
            tokenizer_id=model.checkpoint_id,
            total=lake.height("preference_pairs"),
        )
        with lake.overwrite_frames(table, pl.Schema(schema_of(table))) as write:
            for rows in counts:
                write(rows)
        return Made(f"{table}@{lake.version(table)}", lake_metadata(lake, table))

    return preference_tokens


def _build_prompt_map(study: Study, settings: PromptMapSettings) -> dg.AssetsDefinition:
    @declare(
        study,
        "prompt_map",
        group="data",
        table=TABLES["prompt_map"],
        deps=("prompts", "prompt_splits"),
        settings=lambda _: {
            "prompt_map": settings.model_dump()
            | {"embedding_model": identify_model(settings.embedding_model)},
        },
        accelerator=settings.embedding_model is not None,
        kinds=("deltalake", "scikitlearn"),
    )
    def prompt_map(step: Step) -> Made:
        """Positions are from t-SNE, topics from k-means, as in the paper's Figure 7."""
        from transforms.prompts.prompt_map import map_prompts, select_prompts_to_map
        from transforms.views.plots.prompt_map import render_prompt_map

        prompts = select_prompts_to_map(
            step.lake.read("prompts"), step.lake.read("prompt_splits"), settings
        )
        embeddings = None
        if settings.embedding_model is not None:
            from training.models.embeddings import embed_texts

            embeddings = embed_texts(
                prompts["text"].to_list(),
                settings.embedding_model,
                revision=settings.embedding_revision,
            )
        points = map_prompts(prompts, settings, embeddings)
        version = step.lake.overwrite("prompt_map", points)
        return Made(
            f"prompt_map@{version}",
            {
                **table_metadata(points, version),
                "map": picture(render_prompt_map(points), "prompt_map"),
            },
        )

    return prompt_map
