"""Feedback assets of an iteration: its label queue, its labels, its refreshed reward model.

They come between the iteration's generations and its scores. They exist if any experiment of the
recipe has `loop.feedback`; for the other experiments they make nothing. Evaluation uses the reward
model that all experiments share, so that their rewards can be compared. Not here: the choice of
pairs and the rows of labels (`transforms.pairs.feedback`), the scores (`assets.loop.tables`).
"""

from collections.abc import Callable, Sequence
from functools import partial

import dagster as dg
import polars as pl

from assets.declare import Decorator, declare
from assets.loop.chain import Chain
from assets.loop.oracles import find_oracle, oracle_settings, require_feedback, write_labels
from assets.loop.ranking.registry import find_ranker, find_trained_ranker
from assets.loop.ranking.trained_ranker import accuracy_warnings
from assets.loop.train import train
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.asset_names import iteration_asset
from transforms.lake.enforcement import add_keys
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
        deps=(*inputs, *_last_models(study, chain)),
        reads=lambda loop: (*inputs, _last_model(chain, loop)),
        settings=lambda loop: {
            "labels": require_feedback(loop).labels,
            "choice": require_feedback(loop).choice,
            **study.model_settings,
        },
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description="The reward model that the iteration begins with chooses the pairs.",
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

    @_declare_feedback(study, chain)(
        chain.asset("reward_model"),
        deps=(*_last_models(study, chain), *labels, *OLD_PAIRS),
        reads=lambda loop: (_last_model(chain, loop), *labels, *OLD_PAIRS),
        settings=lambda loop: {
            "reward_model": study.recipe.resolve_refresh(loop).dump_decisive(),
            "oracle": require_feedback(loop).oracle,
            "replay": require_feedback(loop).replay,
            **study.model_settings,
        },
        warnings=accuracy_warnings(chain.asset("reward_model")),
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


def _last_model(chain: Chain, loop: LoopSettings) -> str:
    """Return the asset of the reward model that an iteration begins with."""
    before = chain.iteration - 1
    return iteration_asset(before, "reward_model") if before else loop.ranker


def _last_models(study: Study, chain: Chain) -> list[str]:
    """Return the reward models that any experiment begins the iteration with, sorted."""
    return sorted({_last_model(chain, loop) for loop in _loops_with_feedback(study)})


def _write_queue(step: Step, chain: Chain) -> Made:
    """Choose the pairs that the oracle labels, by the rewards of the last reward model."""
    slice_, feedback = chain.slice(step), require_feedback(step.loop)
    ranker = find_ranker(step.study, step.loop, _last_model(chain, step.loop))
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
    last = step.model(_last_model(chain, step.loop))
    rows = read_refresh_pairs(
        step.lake,
        **chain.slice(step),
        oracle=feedback.oracle,
        mixture=settings.mixture,
        replay=feedback.replay,
        seed=step.seed,
    )
    made = train(step, "reward_model", rows, settings, start=last, iteration=chain.iteration)
    ranker = find_trained_ranker(step.study, step.loop, step.asset)
    return Made(made.output_id, {**made.metadata, **ranker.validate(step, chain.iteration)})
