"""Evaluation on held-out prompts, and the choice of the best iterate (Algorithm 1, last line)."""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from transforms.identity import digest_settings
from transforms.lake.asset_names import BASELINES, iteration_asset
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.schemas import TABLES, schema_of
from transforms.lake.schemas.columns import SHARED
from transforms.measures import evaluation
from transforms.prompts import rows_by_split
from transforms.sources.sample.gold import gold_reward


def evaluated(lake: Lake, **keys: str | int) -> pl.DataFrame:
    """Read the rows of a model that an interrupted evaluation has finished; else none.

    A model's rows are one commit: they are whole, or not there.
    """
    table = "evaluation_responses"
    if not lake.exists(table):
        return pl.DataFrame(schema=schema_of(table))
    return lake.read(table, **keys).sort("decoding", "split", "prompt_id", "response_index")


def answer(
    study: Study, step: Step, policy: Checkpoint, prompts: pl.DataFrame, description: str
) -> pl.DataFrame:
    """Have a policy answer held-out prompts, and measure every answer.

    Args:
        study: the study.
        step: the asset's step.
        policy: the policy.
        prompts: prompt_id, prompt, split.
        description: label of the progress bar.

    Returns:
        `evaluation_responses` without the columns that name the model.
    """
    from training.evaluation import evaluate

    recipe = study.recipe
    return evaluate(
        policy.path,
        checkpoints.find_latest(step.lake, "sft_policy", step.experiment).path,
        checkpoints.find_latest(step.lake, "reward_model", step.experiment).path,
        prompts,
        recipe.loop,
        recipe.evaluation,
        seed=study.seed("evaluation"),
        dtype=recipe.model.dtype,
        gold=gold_reward if recipe.gold else None,
        description=description,
    )


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the evaluation assets."""
    recipe = study.recipe
    iterates = {iteration_asset(t, "policy"): t for t in study.iterations}

    def settings(_: object) -> dict[str, object]:
        return {
            "evaluation": recipe.evaluation.model_dump(exclude={"length_control"}),
            "max_tokens": recipe.loop.sampling.max_tokens,
            "gold": recipe.gold,
            **study.model_settings,
        }

    def evaluate_all(step: Step, models: Sequence[str]) -> Made:
        """Answer, measure and summarise the models; contrast each with every baseline."""
        prompts = rows_by_split.select_held_out_prompts(
            step.lake.read("prompts"), step.lake.read("prompt_splits")
        )
        reference = checkpoints.find_latest(step.lake, "sft_policy", step.experiment)
        reward_model = checkpoints.find_latest(step.lake, "reward_model", step.experiment)
        evaluation_id = digest_settings(
            {
                "settings": step.settings,
                "prompts": [step.inputs["prompts"], step.inputs["prompt_splits"]],
                "models": [reference.checkpoint_id, reward_model.checkpoint_id],
            }
        )
        results = []
        for model in models:
            policy = checkpoints.find_latest(step.lake, model, step.experiment)
            keys = {
                "experiment": step.experiment,
                "iteration": iterates.get(model, 0),
                "model": model,
                "policy_id": policy.checkpoint_id,
                "evaluation_id": evaluation_id,
            }
            rows = evaluated(step.lake, **keys)
            if rows.is_empty():
                step.log.info(f"{step.asset}: {model} on {prompts.height} held-out prompts")
                drawn = answer(study, step, policy, prompts, model)
                rows = add_keys(drawn, **keys).select(list(schema_of("evaluation_responses")))
                step.lake.overwrite(
                    "evaluation_responses", rows, experiment=step.experiment, model=model
                )
            summary = [evaluation.summarise(rows)]
            for other in BASELINES:
                if other != model and (
                    step.experiment != SHARED or other in models[: models.index(model)]
                ):
                    baseline = step.lake.read(
                        "evaluation_responses", experiment=SHARED, model=other
                    )
                    summary.append(evaluation.contrast(rows, baseline))
            result = add_keys(
                pl.concat(summary), experiment=step.experiment, iteration=iterates.get(model, 0)
            ).select(list(schema_of("evaluation_results")))
            step.lake.overwrite(
                "evaluation_results", result, experiment=step.experiment, model=model
            )
            results.append(result)
        table = pl.concat(results)
        version = step.lake.version("evaluation_results")
        return Made(
            f"evaluation_results@{version}",
            {
                **table_metadata(table, version),
                "evaluation": table_preview(table.filter(split="evaluation"), 40),
            },
        )

    @declare(
        study,
        "baseline_evaluation",
        group="baselines",
        table=TABLES["evaluation_results"],
        deps=("prompts", "prompt_splits", "reward_model", *BASELINES),
        settings=settings,
        accelerator=True,
        kinds=("deltalake", "vllm"),
    )
    def baseline_evaluation(step: Step) -> Made:
        """The models are the baselines: pi_0, offline DPO and one-shot DPO."""
        return evaluate_all(step, list(BASELINES))

    @declare(
        study,
        "evaluation",
        group="evaluation",
        table=TABLES["evaluation_results"],
        deps=("prompts", "prompt_splits", "reward_model", "baseline_evaluation", *iterates),
        settings=settings,
        partitioned=True,
        accelerator=True,
        kinds=("deltalake", "vllm"),
    )
    def evaluation_(step: Step) -> Made:
        """The models are the experiment's iterates; standard errors are clustered by prompt."""
        return evaluate_all(step, list(iterates))

    @declare(
        study,
        "selected_policy",
        group="evaluation",
        table=TABLES["selected_policies"],
        deps=("evaluation",),
        settings=lambda _: {"metric": recipe.evaluation.selection_metric},
        partitioned=True,
        kinds=("deltalake", "polars"),
    )
    def selected_policy(step: Step) -> Made:
        """The metric is measured on sampled responses."""
        results = step.lake.read("evaluation_results", experiment=step.experiment)
        row = evaluation.select_policies(results, recipe.evaluation.selection_metric)
        version = step.lake.overwrite("selected_policies", row, experiment=step.experiment)
        return Made(f"selected_policies@{version}", table_metadata(row, version))

    return [baseline_evaluation, evaluation_, selected_policy]
