"""The planned work of a recipe before a run: rows, tokens and bytes per asset.

Sizes are upper bounds: there may be fewer prompts, responses shorter than `max_tokens`, prompts
without a pair. Of the assets that load no model, only the pairs are listed. Not here: measured
costs (`transforms.lake.records.costs`), predictions from them
(`transforms.lake.records.predicted_costs`).
"""

import math
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from training.recipe import Recipe
from training.settings.loop import LoopSettings
from training.settings.model import ModelSettings
from training.settings.training import TrainingSettings
from transforms.lake.asset_names import BASELINES, iteration_asset, iteration_name
from transforms.lake.lake import Lake
from transforms.lake.schemas.table import SHARED
from transforms.pairs.objectives import OBJECTIVES

TOKEN_BYTES = 4
"""Bytes of a token in a table: an English token has four characters."""
ROW_BYTES = 64
"""Bytes of the keys and numbers of a row in a table."""
WEIGHT_BYTES = 4
"""Bytes of a weight: checkpoints are float32."""
SIDES = 2
"""Responses of a pair."""

WORK = {
    "asset": pl.String,
    "experiment": pl.String,
    "rows": pl.Int64,
    "tokens": pl.Int64,
    "bytes": pl.Int64,
}
"""One row per asset and experiment; null if a size is unknown before the sources are read."""


def plan_work(recipe: Recipe, tables: Mapping[str, int], weights: int | None) -> pl.DataFrame:
    """List the work of a recipe, in the order of a run.

    Args:
        recipe: the study.
        tables: number of rows of `demonstrations` and `preference_pairs`, if known.
        weights: number of parameters of the model; None if unknown.

    Returns:
        One row per asset and experiment (`WORK`). `rows` counts responses, pairs, or examples over
        all epochs; `tokens` counts sampled or trained tokens.
    """
    model_bytes = weights and weights * WEIGHT_BYTES
    pairs = tables.get("preference_pairs")
    sft = _plan_training(recipe.sft, tables.get("demonstrations"), sides=1)
    trained = recipe.resolve_trained_rankers().items()
    rankers = {name: _plan_training(settings, pairs) for name, settings in trained}
    iterations, prompts = recipe.loop.iterations, recipe.splits.prompts_per_iteration
    offline = _plan_training(recipe.loop.dpo.adapt_to_offline([prompts] * iterations), None)
    rows = [
        ("initial_model", SHARED, None, None, model_bytes),
        ("sft_policy", SHARED, *sft, model_bytes),
        *((name, SHARED, *work, model_bytes) for name, work in rankers.items()),
        ("offline_dpo", SHARED, *offline, model_bytes),
        *_plan_chain("one_shot", SHARED, recipe.loop, iterations * prompts, model_bytes),
        ("baseline_evaluation", SHARED, *_plan_evaluation(recipe, len(BASELINES))),
    ]
    for experiment in recipe.experiments:
        loop = recipe.resolve_loop(experiment)
        for t in range(1, iterations + 1):
            rows += _plan_feedback(recipe, t, experiment, loop, model_bytes)
            rows += _plan_chain(iteration_name(t), experiment, loop, prompts, model_bytes)
        rows.append(("evaluation", experiment, *_plan_evaluation(recipe, iterations)))
    return pl.DataFrame(rows, schema=WORK, orient="row")


def count_known_rows(recipe: Recipe, lake: Lake) -> dict[str, int]:
    """Count rows of training tables: those of the lake, else those of the sample task."""
    sources = recipe.sources.values()
    task = recipe.sample_task if all(source.sample_task for source in sources) else None
    sizes = (
        {"demonstrations": task.demonstrations, "preference_pairs": task.preference_pairs}
        if task
        else {}
    )
    return sizes | {
        table: lake.height(table)
        for table in ("demonstrations", "preference_pairs")
        if lake.exists(table)
    }


def count_weights(model: ModelSettings) -> int | None:
    """Count a model's parameters, by its settings or from file headers; None if it is not local."""
    if model.tiny:
        tiny = model.tiny
        attention, mlp = 4 * tiny.hidden_size**2, 3 * tiny.hidden_size * tiny.intermediate_size
        norms = 2 * tiny.hidden_size
        return (
            tiny.layers * (attention + mlp + norms) + (2 * tiny.vocab_size + 1) * tiny.hidden_size
        )
    from safetensors import safe_open

    files = sorted(Path(model.path or "").expanduser().glob("*.safetensors"))
    total = 0
    for file in files:
        with safe_open(file, framework="numpy") as weights:
            names = weights.keys()
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    return total if files else None


def _plan_chain(
    group: str, experiment: str, loop: LoopSettings, prompts: int, model_bytes: int | None
) -> list[tuple]:
    """Plan the assets of a chain: generations, scores, pairs, policy."""
    n, sampled = loop.sampling.responses_per_prompt, loop.sampling.max_tokens
    responses = prompts * n
    pairs_per_prompt = math.comb(n, 2) if loop.pairs.rule == "all_above_margin" else 1
    objective, settings = OBJECTIVES[loop.objective], loop.resolve_training()
    examples = prompts * objective.rows_per_prompt(n, pairs_per_prompt, settings)
    trained = _plan_training(settings, examples, sides=objective.responses_per_row)
    policy = (f"{group}/policy", experiment, *trained, model_bytes)
    if not loop.has_responses:
        return [policy]
    pairs = prompts * pairs_per_prompt
    pair_bytes = ROW_BYTES + SIDES * sampled * TOKEN_BYTES
    return [
        (f"{group}/generations", experiment, responses, responses * sampled,
         responses * (ROW_BYTES + sampled * TOKEN_BYTES)),
        (f"{group}/scores", experiment, responses, None, responses * ROW_BYTES),
        (f"{group}/dpo_pairs", experiment, pairs, None, pairs * pair_bytes),
        policy,
    ]  # fmt: skip


def _plan_feedback(
    recipe: Recipe, t: int, experiment: str, loop: LoopSettings, model_bytes: int | None
) -> list[tuple]:
    """Plan the feedback assets of iteration t; a tie is counted as a training pair."""
    if loop.feedback is None:
        return []
    labels, sampled = loop.feedback.labels, loop.sampling.max_tokens
    pairs = round(t * labels * (1 + loop.feedback.replay))
    queue_bytes = labels * (ROW_BYTES + SIDES * sampled * TOKEN_BYTES)
    trained = _plan_training(recipe.resolve_refresh(loop), pairs)
    return [
        (iteration_asset(t, "label_queue"), experiment, labels, None, queue_bytes),
        (iteration_asset(t, "preference_labels"), experiment, labels, None, labels * ROW_BYTES),
        (iteration_asset(t, "reward_model"), experiment, *trained, model_bytes),
    ]


def _plan_training(
    settings: TrainingSettings, examples: int | None, sides: int = SIDES
) -> tuple[int | None, int | None]:
    """Return rows and tokens of a training."""
    rows = settings.max_steps and settings.max_steps * settings.batch_size
    if rows is None and examples is not None:
        rows = round(examples * settings.epochs)
    return rows, rows and rows * sides * settings.max_tokens


def _plan_evaluation(recipe: Recipe, models: int) -> tuple[None, int, int]:
    """Return rows, tokens and bytes of an evaluation; `costs` does not count its rows."""
    prompts = recipe.splits.evaluation_prompts + recipe.splits.validation_prompts
    responses = models * prompts * (recipe.evaluation.samples + 1)
    tokens = responses * recipe.loop.sampling.max_tokens
    return None, tokens, responses * ROW_BYTES + tokens * TOKEN_BYTES
