"""Models that all experiments share: the initial model, π₀, reward and preference models."""

import dagster as dg

from assets.declare import declare
from assets.loop.left_out import example_warnings
from assets.loop.ranking.registry import find_trained_ranker
from assets.loop.ranking.trained_ranker import accuracy_warnings
from assets.loop.train import save_model, train
from assets.materialize import Made, Step
from assets.study import Study
from training.models.intake.origin import describe_model
from training.settings.stages import SFTSettings
from transforms.lake.records import checkpoints
from transforms.prompts import rows_by_split


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the assets of the shared models."""
    rankers = [_build_ranker(study, name) for name in study.recipe.resolve_trained_rankers()]
    fine_tuned = [_build_sft(study, study.recipe.sft)] if study.recipe.sft else []
    return [_build_initial_model(study), *fine_tuned, *rankers]


def _build_initial_model(study: Study) -> dg.AssetsDefinition:
    recipe = study.recipe

    @declare(
        study,
        "initial_model",
        group="initial_policy",
        deps=("demonstrations",) if recipe.model.tiny else (),
        settings=lambda _: {
            **describe_model(recipe.model),
            "seed": recipe.seed,
            # recorded with the checkpoint, so that SQL knows which one is π₀
            **({} if recipe.sft else {"is_initial_policy": True}),
        },
        kinds=("pytorch",),
    )
    def initial_model_(step: Step) -> Made:
        """Model: initial weights, tokenizer, chat template; given, or random.

        Without supervised fine-tuning it is π₀, the reference of DPO.
        """
        from training.models import initial_model
        from training.models.loading.config import read_context_tokens
        from training.models.loading.weights import require_classifier

        folder = checkpoints.workspace(step.lake, step.asset, step.experiment)
        found = {}
        if recipe.model.tiny:
            conversations = step.lake.read("demonstrations")["messages"].to_list()
            initial_model.make_tiny_model(recipe.model.tiny, conversations, folder, seed=step.seed)
        else:
            found = initial_model.fetch_initial_model(recipe.model, folder)
            recipe.require_context(read_context_tokens(folder))
            if recipe.trains_reward_model:
                require_classifier(folder)
        made = save_model(step, folder, kind="causal_lm", found=found)
        return Made(made.output_id, {**made.metadata, **found})

    return initial_model_


def _build_sft(study: Study, settings: SFTSettings) -> dg.AssetsDefinition:
    @declare(
        study,
        study.initial_policy,
        group="initial_policy",
        # prompts are checked before anything is trained; π₀ does not read them
        deps=("initial_model", "demonstrations", "prompt_splits"),
        reads=lambda _: ("initial_model", "demonstrations"),
        settings=lambda _: {"sft": settings.dump_decisive(), **study.model_settings},
        warnings=[example_warnings()],
        accelerator=True,
        kinds=("pytorch", "trl"),
    )
    def sft_policy(step: Step) -> Made:
        """Policy π₀: the initial model, fine-tuned on demonstrations; the reference of DPO."""
        model = step.model("initial_model")
        rows = rows_by_split.read_demonstrations(step.lake)
        return train(step, "sft", rows, settings, start=model)

    return sft_policy


def _build_ranker(study: Study, name: str) -> dg.AssetsDefinition:
    """Build a model that ranks responses; a recipe may have several, on different mixtures."""
    ranker = find_trained_ranker(study, study.recipe.loop, name)
    settings = ranker.settings

    @declare(
        study,
        name,
        group="reward",
        deps=(study.initial_policy, "preference_pairs", "mixture_pairs"),
        settings=lambda _: {ranker.kind: settings.dump_decisive(), **study.model_settings},
        warnings=[example_warnings(), accuracy_warnings(name)],
        accelerator=True,
        kinds=("pytorch", "trl"),
        description=f"{ranker.training} "
        f"Its pairs are the mixture {settings.mixture}. Its accuracy is measured on pairs whose "
        "prompts are in no training table.",
    )
    def model(step: Step) -> Made:
        policy = step.model(study.initial_policy)
        rows = rows_by_split.read_training_pairs(step.lake, settings.mixture)
        made = train(step, ranker.kind, rows, settings, start=policy)
        return Made(made.output_id, {**made.metadata, **ranker.validate(step)})

    return model
