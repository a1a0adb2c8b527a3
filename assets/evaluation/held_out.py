"""Evaluation of policies on held-out prompts, and selection of the best iteration.

Paper: Algorithm 1, last line. Not here: generation and rewards (`training.evaluation`), statistics
(`transforms.measures.evaluation`).
"""

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypedDict

import dagster as dg
import polars as pl

from assets.compared_settings import select_compared
from assets.declare import declare
from assets.evaluation.further_rewards import (
    further_settings,
    list_models,
    prepare_rewards,
    read_scored,
    score_responses,
)
from assets.loop.health import distance_warnings
from assets.loop.ranking.registry import find_evaluation_ranker
from assets.loop.ranking.trained_ranker import TrainedRanker
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from training.runs.trackers import send_points
from transforms.identity import digest_settings
from transforms.lake.asset_names import BASELINES
from transforms.lake.enforcement import add_keys
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.schemas import TABLES, schema_of
from transforms.lake.schemas.table import SHARED
from transforms.measures import evaluation
from transforms.measures.tracked_figures import list_points, select_last_figures
from transforms.prompts import rows_by_split
from transforms.sources.sample.gold import gold_reward

RESPONSES = "evaluation_responses"
RESULTS = "evaluation_results"


class ModelKeys(TypedDict):
    """The columns that identify a model's rows of one evaluation."""

    experiment: str
    iteration: int
    model: str
    policy_id: str
    evaluation_id: str


def build(study: Study) -> list[dg.AssetsDefinition]:
    """Build the evaluation of baselines and of policies, and the selection of a policy."""
    baselines, read = study.recipe.baselines, find_evaluation_ranker(study).assets
    further = [name for name in list_models(study) if name not in read]

    @declare(
        study,
        "baseline_evaluation",
        group="baselines",
        table=TABLES[RESULTS],
        deps=("prompts", "prompt_splits", *read, *baselines, *further),
        settings=lambda _: {**evaluation_settings(study), **further_settings(study)},
        accelerator=True,
        kinds=("deltalake", "vllm"),
    )
    def baseline_evaluation(step: Step) -> Made:
        """The models are the baselines: π₀, offline DPO if there are pairs, one-shot DPO."""
        return evaluate_models(step, dict.fromkeys(baselines, 0))

    @declare(
        study,
        "evaluation",
        group="evaluation",
        table=TABLES[RESULTS],
        deps=(
            "prompts",
            "prompt_splits",
            study.initial_policy,
            *read,
            "baseline_evaluation",
            *study.policies,
            *further,
        ),
        settings=lambda _: {**evaluation_settings(study), **further_settings(study)},
        warnings=[distance_warnings()],
        partitioned=True,
        accelerator=True,
        kinds=("deltalake", "vllm"),
    )
    def evaluation_(step: Step) -> Made:
        """The models are the policies of all iterations; errors are clustered by prompt."""
        made = evaluate_models(step, study.policies)
        if study.recipe.report_to:
            results = step.lake.read(RESULTS, experiment=step.experiment)
            with step.track():
                send_points(list_points(results))
        return made

    metric = study.recipe.evaluation.selection_metric

    @declare(
        study,
        "selected_policy",
        group="evaluation",
        table=TABLES["selected_policies"],
        deps=("evaluation",),
        settings=lambda _: {"metric": metric},
        partitioned=True,
        kinds=("deltalake", "polars"),
    )
    def selected_policy(step: Step) -> Made:
        """The metric is measured on sampled responses."""
        results = step.lake.read(RESULTS, experiment=step.experiment)
        row = evaluation.select_policies(results, metric)
        version = step.lake.overwrite("selected_policies", row, experiment=step.experiment)
        best = {"selected_iteration": row["iteration"].item(), metric: row["value"].item()}
        return Made(f"selected_policies@{version}", {**best, **table_metadata(row, version)})

    return [baseline_evaluation, evaluation_, selected_policy]


def evaluation_settings(study: Study) -> dict[str, object]:
    """Return the settings that an evaluation depends on, besides its models and prompts."""
    recipe, ranker = study.recipe, find_evaluation_ranker(study)
    # a model that the study trains is an input
    is_input = isinstance(ranker, TrainedRanker)
    settings_of = ranker.engine_settings if is_input else ranker.response_settings
    return {
        **settings_of(recipe.loop),
        "evaluation": recipe.evaluation.model_dump(exclude={"length_control", "rewards"}),
        "max_tokens": recipe.loop.sampling.max_tokens,
        "gold": recipe.gold,
        **study.model_settings,
    }


def evaluate_models(step: Step, models: Mapping[str, int]) -> Made:
    """Evaluate models on the held-out prompts, and contrast each with the baselines.

    Args:
        step: the asset's step.
        models: iteration of each policy, by its asset.
    """
    prompts = rows_by_split.select_held_out_prompts(
        step.lake.read("prompts"), step.lake.read("prompt_splits")
    )
    find_evaluation_ranker(step.study).prepare(step, prompts)
    prepare_rewards(step, prompts)
    evaluation_id = _identify_evaluation(step)
    results = []
    for number, (model, iteration) in enumerate(models.items()):
        policy = step.model(model)
        keys = ModelKeys(
            experiment=step.experiment,
            iteration=iteration,
            model=model,
            policy_id=policy.checkpoint_id,
            evaluation_id=evaluation_id,
        )
        rows = read_evaluation(step.lake, **keys)
        if rows.is_empty():
            step.log.info(f"{step.asset}: {model} on {prompts.height} held-out prompts")
            with claim_work(step, policy, evaluation_id, model) as work:
                answers = evaluate_policy(step, policy, prompts, work, model)
                rows = add_keys(answers, **keys).select(list(schema_of(RESPONSES)))
                step.lake.overwrite(RESPONSES, rows, experiment=step.experiment, model=model)
        else:
            step.lake.keep(RESPONSES, experiment=step.experiment, model=model)
        # a baseline is contrasted with the baselines before it
        shared, own = step.experiment == SHARED, step.study.recipe
        baselines = list(models)[:number] if shared else own.baselines
        rows, further = score_responses(step, rows), own.evaluation.rewards
        summary = [evaluation.summarise(rows, further)]
        for baseline in baselines:
            other = step.lake.read(RESPONSES, experiment=SHARED, model=baseline)
            summary.append(evaluation.contrast(rows, read_scored(step, other), further))
        keyed = add_keys(pl.concat(summary), experiment=step.experiment, iteration=iteration)
        result = keyed.select(list(schema_of(RESULTS)))
        step.lake.overwrite(RESULTS, result, experiment=step.experiment, model=model)
        results.append(result)
    if step.experiment == SHARED:
        _drop_former_baselines(step.lake, models)
    table = pl.concat(results)
    version = step.lake.version(RESULTS)
    shown = table_preview(table.filter(split="evaluation"), 40)
    figures = {} if step.experiment == SHARED else select_last_figures(table)
    metadata = {**figures, **table_metadata(table, version), "evaluation": shown}
    return Made(f"{RESULTS}@{version}", metadata)


def _drop_former_baselines(lake: Lake, models: Collection[str]) -> None:
    """Remove the rows of baselines that the recipe no longer has, such as another π₀."""
    for table in (RESPONSES, RESULTS):
        for model in sorted(set(BASELINES) - set(models)):
            rows = lake.read(table, experiment=SHARED, model=model)
            if rows.height:
                lake.overwrite(table, rows.clear(), experiment=SHARED, model=model)


def read_evaluation(lake: Lake, **keys: str | int) -> pl.DataFrame:
    """Read the finished responses of a model: its rows are one commit, so all exist or none."""
    rows = lake.read_or_empty(RESPONSES, **keys)
    return rows.sort("decoding", "split", "prompt_id", "response_index")


@contextmanager
def claim_work(step: Step, policy: Checkpoint, evaluation_id: str, name: str) -> Iterator[Path]:
    """Open the folder of chunks of a model's evaluation; remove it if the block has no error.

    The next run of the same evaluation finds what an interrupted one has computed.

    Args:
        step: the asset's step.
        policy: the policy.
        evaluation_id: the evaluation, and if it reads only some of its prompts, which ones.
        name: name of the model among those of the step.
    """
    work = checkpoints.claim_workspace(
        step.lake,
        asset=f"{step.asset}.{name}",
        experiment=step.experiment,
        settings=evaluation_id,
        inputs=policy.checkpoint_id,
    )
    work.mkdir(exist_ok=True)
    yield work
    shutil.rmtree(work)


def evaluate_policy(
    step: Step, policy: Checkpoint, prompts: pl.DataFrame, work: Path, description: str
) -> pl.DataFrame:
    """Sample a policy's responses to held-out prompts, and measure every response.

    Args:
        step: the asset's step.
        policy: the policy.
        prompts: prompt_id, prompt, reference, split.
        work: folder of chunks (`claim_work`).
        description: label of the progress bar.

    Returns:
        `evaluation_responses` without the columns that identify the model.
    """
    from training.evaluation import evaluate

    recipe = step.study.recipe
    return evaluate(
        policy.path,
        step.model(step.study.initial_policy).path,
        partial(find_evaluation_ranker(step.study).score, step),
        prompts,
        recipe.loop,
        recipe.evaluation,
        seed=step.study.seed("evaluation"),
        dtype=step.dtype,
        gold=gold_reward if recipe.gold else None,
        work=work,
        devices=step.devices,
        description=description,
    )


def _identify_evaluation(step: Step) -> str:
    """Return the id of an evaluation: a hash of its settings, prompts, reference and ranker."""
    reference = step.model(step.study.initial_policy)
    ranker = find_evaluation_ranker(step.study)
    return digest_settings(
        {
            "settings": select_compared(evaluation_settings(step.study)),
            "prompts": [step.inputs["prompts"], step.inputs["prompt_splits"]],
            "models": [reference.checkpoint_id, ranker.ranker_id(step)],
        }
    )
