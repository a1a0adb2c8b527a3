"""Further rewards of evaluation responses: independent measures beside the column `reward`.

They are the rankers that `evaluation.rewards` names, such as a reward model trained on other pairs,
or a verifier. Their rewards are rows of `evaluation_scores`. Not here: the evaluation
(`assets.evaluation.held_out`), statistics (`transforms.measures.evaluation`).
"""

from typing import Any

import polars as pl

from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.registry import find_ranker
from assets.materialize import Step
from assets.study import Study
from transforms.errors import InputError
from transforms.lake.enforcement import add_keys
from transforms.lake.schemas import schema_of
from transforms.measures.evaluation import add_rewards

TABLE = "evaluation_scores"


def list_rankers(study: Study) -> list[Ranker]:
    """Return the rankers that the recipe names in `evaluation.rewards`."""
    recipe = study.recipe
    return [find_ranker(study, recipe.loop, name) for name in recipe.evaluation.rewards]


def list_models(study: Study) -> list[str]:
    """Return the assets that the further rewards need."""
    return sorted({asset for ranker in list_rankers(study) for asset in ranker.assets})


def further_settings(study: Study) -> dict[str, Any]:
    """Return the settings that further rewards depend on; empty without any."""
    rankers = list_rankers(study)
    if not rankers:
        return {}
    loop = study.recipe.loop
    return {"rewards": {ranker.name: ranker.response_settings(loop) for ranker in rankers}}


def prepare_rewards(step: Step, prompts: pl.DataFrame) -> None:
    """Refuse further rewards that cannot measure a response, before responses are sampled.

    A model of the hub is downloaded. A reward that needs references is only asked for prompts that
    have one.

    Args:
        step: the asset's step.
        prompts: prompt_id, reference of the held-out prompts.

    Raises:
        InputError: the first fault of a model, or no prompt has a reference that a reward needs.
    """
    for ranker in list_rankers(step.study):
        asked = select_asked(ranker, prompts)
        if asked.is_empty():
            raise InputError(
                f"the further reward {ranker.name} cannot measure any response",
                expected="held-out prompts with a reference",
                found="none",
                remedy="set `reference` or `instructions` of a source of prompts, or hold out more"
                " prompts (`splits`)",
            )
        ranker.prepare(step, asked)


def score_responses(step: Step, responses: pl.DataFrame) -> pl.DataFrame:
    """Score a model's responses with every further reward, and store the scores.

    Scores of the same responses by the same ranker are kept. A ranker that needs references scores
    only the responses to prompts with one.

    Args:
        step: the asset's step.
        responses: `evaluation_responses` rows of one model.

    Returns:
        The rows, with one column per further reward, named after it; null: no reward.
    """
    for ranker in list_rankers(step.study):
        responses = add_rewards(responses, ranker.name, _score(step, ranker, responses))
    return responses


def read_scored(step: Step, responses: pl.DataFrame) -> pl.DataFrame:
    """Return responses of a baseline with the stored further rewards, as `score_responses` does."""
    for ranker in list_rankers(step.study):
        responses = add_rewards(responses, ranker.name, _read(step, ranker, responses))
    return responses


def select_asked(ranker: Ranker, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows that a ranker is asked for: all, or those with a reference that it needs."""
    return rows if ranker.ranks_pairs else rows.drop_nulls("reference")


def _read(step: Step, ranker: Ranker, responses: pl.DataFrame) -> pl.DataFrame:
    """Read a ranker's stored scores of a model's responses."""
    columns = ("experiment", "model", "policy_id", "evaluation_id")
    keys = responses.select(columns).row(0, named=True)
    stored = step.lake.read_or_empty(TABLE, **keys, ranker=ranker.name)
    return stored.filter(ranker_id=ranker.ranker_id(step))


def _score(step: Step, ranker: Ranker, responses: pl.DataFrame) -> pl.DataFrame:
    """Return a ranker's scores of a model's responses: the stored ones, or new ones."""
    experiment, model = responses.select("experiment", "model").row(0)
    slice_ = {"experiment": experiment, "model": model, "ranker": ranker.name}
    columns = ranker.columns(step)
    stored = _read(step, ranker, responses).filter(ranking_id=columns["ranking_id"])
    prompts = step.lake.read("prompts").select("prompt_id", "prompt", "reference")
    rows = select_asked(ranker, responses.join(prompts, on="prompt_id", maintain_order="left"))
    if stored.height == rows.height:
        step.lake.keep(TABLE, **slice_)
        return stored
    step.log.info(f"{step.asset}: {rows.height} responses of {model} to score with {ranker.name}")
    scored = []
    # prompt_id and response_index identify a response of one decoding
    for of_decoding in rows.partition_by("decoding", maintain_order=True):
        chunks: list[pl.DataFrame] = []
        ranker.rank(step, of_decoding, chunks.append)
        keys = of_decoding.drop("reward", "prompt", "reference")
        scored.append(keys.join(pl.concat(chunks), on=["prompt_id", "response_index"]))
    table = add_keys(pl.concat(scored), **columns).select(list(schema_of(TABLE)))
    step.lake.overwrite(TABLE, table, **slice_)
    return table
