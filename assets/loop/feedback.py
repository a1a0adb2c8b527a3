"""Feedback assets of an iteration: its label queue, its labels, its refreshed reward model.

They come between the iteration's generations and its scores. They exist if any experiment of the
recipe has `loop.feedback`; for the other experiments they make nothing. Evaluation uses the reward
model that all experiments share, so that their rewards can be compared. Not here: the choice of
pairs and the rows of labels (`transforms.pairs.feedback`), the scores (`assets.loop.tables`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from assets.declare import Decorator, declare
from assets.loop.chain import Chain
from assets.loop.left_out import example_warnings
from assets.loop.oracles import find_oracle, oracle_settings, require_feedback, write_labels
from assets.loop.ranking.ranker import Ranker
from assets.loop.ranking.registry import find_ranker, find_refreshed_ranker
from assets.loop.ranking.reward_model import GivenModelRanker
from assets.loop.ranking.trained_ranker import accuracy_warnings
from assets.loop.train import train
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from training.rewards.recorded_parts import describe_part
from training.settings.loop import LoopSettings
from transforms.lake.asset_names import iteration_asset
from transforms.lake.enforcement import add_keys
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.schemas import TABLES, schema_of
from transforms.pairs import responses
from transforms.pairs.feedback.queue import add_texts, choose_pairs, list_candidate_pairs
from transforms.pairs.feedback.refresh import read_refresh_pairs

OLD_PAIRS = ("preference_pairs", "mixture_pairs")
"""Assets of the old pairs that a refresh mixes with the labels."""


def build_feedback(study: Study, chain: Chain) -> Sequence[dg.AssetsDefinition]:
    """Build the feedback assets of an iteration; none if no experiment has feedback."""
    if not _loops_with_feedback(study):
        return []
    return [_build_queue(study, chain), _build_labels(study, chain), _build_model(study, chain)]


def _build_queue(study: Study, chain: Chain) -> dg.AssetsDefinition:
    inputs = (chain.asset("generations"), "prompts")

    @_declare_feedback(study, chain)(
        chain.asset("label_queue"),
        table=TABLES["label_queue"],
        deps=(*inputs, *_list_assets(study, chain, _find_last_ranker)),
        reads=lambda loop: (*inputs, *_find_last_ranker(study, chain, loop).assets),
        settings=lambda loop: {
            "labels": require_feedback(loop).labels,
            "choice": require_feedback(loop).choice,
            **_describe_last_ranker(study, chain, loop),
            **study.model_settings,
        },
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description="The rewards that the iteration begins with choose the pairs.",
    )
    def label_queue(step: Step) -> Made:
        return _write_queue(step, chain)

    return label_queue


def _build_labels(study: Study, chain: Chain) -> dg.AssetsDefinition:
    @_declare_feedback(study, chain)(
        chain.asset("preference_labels"),
        table=TABLES["preference_labels"],
        deps=(chain.asset("label_queue"),),
        settings=lambda loop: oracle_settings(study, loop),
        checks=("no_held_out_prompt_in_training", "judgments_are_usable"),
        scope=chain.slice,
        accelerator=any(find_oracle(loop).accelerator for loop in _loops_with_feedback(study)),
        kinds=("deltalake",),
        description="If the oracle is people, the step fails until they have labelled every pair.",
    )
    def preference_labels(step: Step) -> Made:
        slice_ = chain.slice(step)
        queue = step.lake.read("label_queue", **slice_).sort("place")
        labels = write_labels(step, queue, **slice_)
        version = step.lake.version("preference_labels")
        return Made(
            f"preference_labels@{version}",
            {
                **table_metadata(labels, version),
                "preferred": table_preview(labels["preferred"].value_counts().sort("preferred")),
            },
        )

    return preference_labels


def _build_model(study: Study, chain: Chain) -> dg.AssetsDefinition:
    labels = [
        iteration_asset(t, noun)
        for t in range(1, chain.iteration + 1)
        for noun in ("label_queue", "preference_labels")
    ]

    read = [*labels, *(OLD_PAIRS if study.recipe.has_pairs else ())]

    # without pairs of the sources there are no validation pairs
    accuracy = [accuracy_warnings(chain.asset("reward_model"))] if study.recipe.has_pairs else []

    @_declare_feedback(study, chain)(
        chain.asset("reward_model"),
        deps=(*_list_assets(study, chain, _find_last_model), *read),
        reads=lambda loop: (*_find_last_model(study, chain, loop).assets, *read),
        settings=lambda loop: {
            "reward_model": study.recipe.resolve_refresh(loop).dump_decisive(),
            **describe_given(_find_last_model(study, chain, loop)),
            "oracle": require_feedback(loop).oracle,
            "replay": require_feedback(loop).replay,
            **study.model_settings,
        },
        warnings=[example_warnings(), *accuracy],
        accelerator=True,
        kinds=("pytorch", "trl"),
        description="Bradley-Terry reward model: the last one, trained further on all labels of "
        "the experiment so far and on old pairs of its mixture.",
    )
    def reward_model(step: Step) -> Made:
        return _refresh(step, chain)

    return reward_model


def _declare_feedback(study: Study, chain: Chain) -> Callable[..., Decorator]:
    """Return `declare` for assets that only experiments with feedback have."""
    return partial(
        declare,
        study,
        group=chain.group,
        partitioned=True,
        applies_to=lambda loop: loop.feedback is not None,
    )


def _loops_with_feedback(study: Study) -> list[LoopSettings]:
    loops = map(study.loop, study.recipe.experiments)
    return [loop for loop in loops if loop.feedback]


def _find_last_ranker(study: Study, chain: Chain, loop: LoopSettings) -> Ranker:
    """Return the ranker that an iteration begins with: that of the iteration before."""
    before = chain.iteration - 1
    refreshed = iteration_asset(before, "reward_model") if before else None
    return find_ranker(study, loop, loop.ranker, refreshed)


def _find_last_model(study: Study, chain: Chain, loop: LoopSettings) -> Ranker:
    """Return the reward model that an iteration begins with, as a ranker."""
    before = chain.iteration - 1
    if before:
        return find_refreshed_ranker(study, loop, iteration_asset(before, "reward_model"))
    return find_ranker(study, loop, study.recipe.find_refreshed(loop))


def _list_assets(
    study: Study, chain: Chain, find: Callable[[Study, Chain, LoopSettings], Ranker]
) -> list[str]:
    """Return the models of the rankers that any experiment begins the iteration with, sorted."""
    rankers = [find(study, chain, loop) for loop in _loops_with_feedback(study)]
    return sorted({asset for ranker in rankers for asset in ranker.assets})


def _describe_last_ranker(study: Study, chain: Chain, loop: LoopSettings) -> dict[str, Any]:
    """Return the settings of the rewards that choose the pairs, if they are more than a model."""
    ranker = _find_last_ranker(study, chain, loop)
    is_model = ranker.name == _find_last_model(study, chain, loop).name
    return {} if is_model and ranker.assets else {"rewards": ranker.describe_parts()}


def describe_given(model: Ranker) -> dict[str, Any]:
    """Return the files of a reward model that the study has not trained; they are no input."""
    return {"given": describe_part(model.settings)} if isinstance(model, GivenModelRanker) else {}


def _write_queue(step: Step, chain: Chain) -> Made:
    """Choose the pairs that the oracle labels, by the rewards of the iteration before."""
    slice_, feedback = chain.slice(step), require_feedback(step.loop)
    ranker = _find_last_ranker(step.study, chain, step.loop)
    rows = responses.read_with_prompts(step.lake, **slice_)
    rewards: list[pl.DataFrame] = []
    ranker.rank(step, rows, rewards.append)
    ranked = rows.join(
        pl.concat(rewards).select("prompt_id", "response_index", "reward"),
        on=["prompt_id", "response_index"],
    )
    pairs = list_candidate_pairs(ranked)
    chosen = choose_pairs(pairs, feedback.labels, feedback.choice, step.seed)
    queue = add_keys(
        add_texts(chosen, ranked),
        **slice_,
        reward_model=ranker.name,
        reward_model_id=ranker.ranker_id(step),
        choice=feedback.choice,
    ).select(list(schema_of("label_queue")))
    version = step.lake.overwrite("label_queue", queue, **slice_)
    metadata = {**table_metadata(queue, version), "askable_pairs": pairs.height}
    return Made(f"label_queue@{version}", metadata)


def _refresh(step: Step, chain: Chain) -> Made:
    """Train the last reward model further on labels and old pairs, and measure the result."""
    feedback, settings = require_feedback(step.loop), step.study.recipe.resolve_refresh(step.loop)
    model = _find_last_model(step.study, chain, step.loop)
    if isinstance(model, GivenModelRanker):
        last = Checkpoint(model.checkpoint_id, model.folder)
    else:
        last = step.model(model.name)
    rows = read_refresh_pairs(
        step.lake,
        **chain.slice(step),
        oracle=feedback.oracle,
        mixture=settings.mixture,
        replay=feedback.replay,
        seed=step.seed,
    )
    made = train(step, "reward_model", rows, settings, start=last, iteration=chain.iteration)
    if not step.study.recipe.has_pairs:
        return made  # there are no validation pairs
    ranker = find_refreshed_ranker(step.study, step.loop, step.asset)
    return Made(made.output_id, {**made.metadata, **ranker.validate(step, chain.iteration)})
