"""What a run will cost before it begins: rows, tokens, disk and seconds of each stage.

Lives here: sizes that follow from a recipe. Not here: what a lake has measured
(`transforms.lake.records.costs`) and what follows from that
(`transforms.lake.records.predicted_costs`). Sizes are upper bounds: there may be fewer prompts, a
response shorter than `max_tokens`, a prompt without a pair. Assets that load no model, and figures
and reports, are left out but for the pairs.
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
from transforms.lake.schemas.columns import SHARED
from transforms.pairs.objectives import OBJECTIVES

TOKEN_BYTES = 4
"""Of a token in a table: English has four characters per token."""
ROW_BYTES = 64
"""Of the keys and numbers of a row in a table."""
WEIGHT_BYTES = 4
"""Weights are saved in float32."""
SIDES = 2
"""Responses of a pair."""

WORK = {
    "asset": pl.String,
    "experiment": pl.String,
    "rows": pl.Int64,
    "tokens": pl.Int64,
    "bytes": pl.Int64,
}
"""One row per asset and experiment; null where a size is not known before the sources are read."""


def planned_work(recipe: Recipe, tables: Mapping[str, int], weights: int | None) -> pl.DataFrame:
    """List the stages of a recipe, in the order of a run.

    Args:
        recipe: the study.
        tables: rows of `demonstrations` and `preference_pairs`, as far as they are known.
        weights: parameters of the model; null where they are not known.

    Returns:
        One row per asset and experiment (`WORK`). `rows` are responses, pairs, or examples over all
        epochs; `tokens` those sampled or trained on.
    """
    model_bytes = weights and weights * WEIGHT_BYTES
    pairs = tables.get("preference_pairs")
    sft = _trained(recipe.sft, tables.get("demonstrations"), sides=1)
    rankers = {name: _trained(one, pairs) for name, one in recipe.resolve_trained_rankers().items()}
    iterations, prompts = recipe.loop.iterations, recipe.splits.prompts_per_iteration
    offline = _trained(recipe.loop.dpo.adapt_to_offline([prompts] * iterations), None)
    rows = [
        ("initial_model", SHARED, None, None, model_bytes),
        ("sft_policy", SHARED, *sft, model_bytes),
        *((name, SHARED, *trained, model_bytes) for name, trained in rankers.items()),
        ("offline_dpo", SHARED, *offline, model_bytes),
        *_chain("one_shot", SHARED, recipe.loop, iterations * prompts, model_bytes),
        ("baseline_evaluation", SHARED, *_evaluated(recipe, len(BASELINES))),
    ]
    for experiment in recipe.experiments:
        loop = recipe.resolve_loop(experiment)
        for t in range(1, iterations + 1):
            rows += _feedback(recipe, t, experiment, loop, model_bytes)
            rows += _chain(iteration_name(t), experiment, loop, prompts, model_bytes)
        rows.append(("evaluation", experiment, *_evaluated(recipe, iterations)))
    return pl.DataFrame(rows, schema=WORK, orient="row")


def known_sizes(recipe: Recipe, lake: Lake) -> dict[str, int]:
    """Count what models are trained on: the lake's rows, or those of the sample task."""
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
    """Count a model's parameters: of one made here, or from a folder's headers; else null."""
    if model.tiny:
        tiny = model.tiny
        attention, mlp = 4 * tiny.hidden_size**2, 3 * tiny.hidden_size * tiny.intermediate_size
        norms = 2 * tiny.hidden_size
        return (
            tiny.layers * (attention + mlp + norms) + (2 * tiny.vocab_size + 1) * tiny.hidden_size
        )
    from safetensors import safe_open

    files = sorted(Path(model.path).expanduser().glob("*.safetensors"))
    total = 0
    for file in files:
        with safe_open(file, framework="numpy") as weights:
            names = weights.keys()
            total += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    return total if files else None


def _chain(
    group: str, experiment: str, loop: LoopSettings, prompts: int, model_bytes: int | None
) -> list[tuple]:
    """Plan the four assets of one sample-score-pair-train chain."""
    n, sampled = loop.sampling.responses_per_prompt, loop.sampling.max_tokens
    responses = prompts * n
    pairs_per_prompt = math.comb(n, 2) if loop.pairs.rule == "all_above_margin" else 1
    objective, settings = OBJECTIVES[loop.objective], loop.resolve_training()
    examples = prompts * objective.rows_per_prompt(n, pairs_per_prompt, settings)
    trained = _trained(settings, examples, sides=objective.responses_per_row)
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


def _feedback(
    recipe: Recipe, t: int, experiment: str, loop: LoopSettings, model_bytes: int | None
) -> list[tuple]:
    """Plan what an experiment with feedback adds to iteration t; a tie is counted as trained on."""
    if loop.feedback is None:
        return []
    labels, sampled = loop.feedback.labels, loop.sampling.max_tokens
    pairs = round(t * labels * (1 + loop.feedback.replay))
    queue_bytes = labels * (ROW_BYTES + SIDES * sampled * TOKEN_BYTES)
    trained = _trained(recipe.resolve_refresh(loop), pairs)
    return [
        (iteration_asset(t, "label_queue"), experiment, labels, None, queue_bytes),
        (iteration_asset(t, "preference_labels"), experiment, labels, None, labels * ROW_BYTES),
        (iteration_asset(t, "reward_model"), experiment, *trained, model_bytes),
    ]


def _trained(
    settings: TrainingSettings, examples: int | None, sides: int = SIDES
) -> tuple[int | None, int | None]:
    """Rows and tokens of a training."""
    rows = settings.max_steps and settings.max_steps * settings.batch_size
    if rows is None and examples is not None:
        rows = round(examples * settings.epochs)
    return rows, rows and rows * sides * settings.max_tokens


def _evaluated(recipe: Recipe, models: int) -> tuple[None, int, int]:
    """Tokens and bytes of an evaluation, which has no rows of its own in `costs`."""
    prompts = recipe.splits.evaluation_prompts + recipe.splits.validation_prompts
    responses = models * prompts * (recipe.evaluation.samples + 1)
    tokens = responses * recipe.loop.sampling.max_tokens
    return None, tokens, responses * ROW_BYTES + tokens * TOKEN_BYTES
