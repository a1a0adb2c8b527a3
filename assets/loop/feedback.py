"""Fresh feedback: an iteration's label queue, its labels, its refreshed reward model.

Lives here: the assets that come between an iteration's generations and their scores, for the
experiments with `loop.feedback`. Not here: which pairs are chosen and what labels come to
(`transforms.pairs.feedback`), the scores (`assets.loop.chain`). They are drawn where any experiment
of the recipe has feedback; for the others they make nothing. Evaluation keeps the reward model that
all experiments share, so that their rewards can be compared.
"""

from collections.abc import Sequence

import dagster as dg
import polars as pl

from assets.declare import declare
from assets.loop.chain import Chain
from assets.loop.oracles import oracle_settings, write_labels
from assets.loop.ranking.registry import find_ranker
from assets.loop.train import train
from assets.materialize import Made, Step
from assets.metadata import table_metadata, table_preview
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.asset_names import iteration_asset
from transforms.lake.records import checkpoints
from transforms.lake.schemas import TABLES, schema_of
from transforms.pairs import responses
from transforms.pairs.feedback.queue import askable_pairs, choose_pairs
from transforms.pairs.feedback.refresh import refresh_pairs


def build_feedback(study: Study, chain: Chain) -> Sequence[dg.AssetsDefinition]:
    """Build the feedback assets of an iteration; none where no experiment has feedback."""
    loops = [study.loop(experiment) for experiment in study.recipe.experiments]
    refreshed = [loop for loop in loops if loop.feedback]
    if not refreshed:
        return []

    def last_model(loop: LoopSettings) -> str:
        """Name the reward model that an iteration begins with."""
        before = chain.iteration - 1
        return iteration_asset(before, "reward_model") if before else loop.ranker

    last_models = sorted({last_model(loop) for loop in refreshed})
    common = {
        "group": chain.group,
        "partitioned": True,
        "applies_to": lambda loop: loop.feedback is not None,
    }

    @declare(
        study,
        chain.asset("label_queue"),
        table=TABLES["label_queue"],
        deps=(chain.asset("generations"), "prompts", *last_models),
        reads=lambda loop: (chain.asset("generations"), "prompts", last_model(loop)),
        settings=lambda loop: {
            "labels": loop.feedback.labels,
            "choice": loop.feedback.choice,
            **study.model_settings,
        },
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description="The reward model that the iteration begins with chooses the pairs.",
        **common,
    )
    def label_queue(step: Step) -> Made:
        slice_, feedback = chain.slice(step), step.loop.feedback
        ranker = find_ranker(study, step.loop, last_model(step.loop))
        rows = responses.with_prompts(step.lake, **slice_)
        rewards: list[pl.DataFrame] = []
        ranker.rank(step, rows, rewards.append)
        pairs = askable_pairs(
            rows.join(
                pl.concat(rewards).select("prompt_id", "response_index", "reward"),
                on=["prompt_id", "response_index"],
            )
        )
        chosen = choose_pairs(pairs, feedback.labels, feedback.choice, step.seed)
        queue = responses.stamp(
            chosen,
            **slice_,
            reward_model=ranker.name,
            reward_model_id=ranker.ranker_id(step),
            choice=feedback.choice,
        ).select(list(schema_of("label_queue")))
        version = step.lake.overwrite("label_queue", queue, **slice_)
        return Made(
            f"label_queue@{version}",
            {**table_metadata(queue, version), "askable_pairs": pairs.height},
        )

    @declare(
        study,
        chain.asset("preference_labels"),
        table=TABLES["preference_labels"],
        deps=(chain.asset("label_queue"),),
        settings=lambda loop: oracle_settings(study, loop),
        checks=("no_held_out_prompt_in_training", "judgments_are_usable"),
        scope=chain.slice,
        accelerator=any(loop.feedback.oracle == "judge" for loop in refreshed),
        kinds=("deltalake",),
        description="People are waited for: the step fails until they have answered.",
        **common,
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
                "preferred": table_preview(labels["preferred"].value_counts(sort=True)),
            },
        )

    tables = [
        iteration_asset(t, noun)
        for t in range(1, chain.iteration + 1)
        for noun in ("label_queue", "preference_labels")
    ]
    old_pairs = ("preference_pairs", "mixture_pairs")

    @declare(
        study,
        chain.asset("reward_model"),
        deps=(*last_models, *tables, *old_pairs),
        reads=lambda loop: (last_model(loop), *tables, *old_pairs),
        settings=lambda loop: {
            "reward_model": study.recipe.resolve_refresh(loop).dump_decisive(),
            "oracle": loop.feedback.oracle,
            "replay": loop.feedback.replay,
            **study.model_settings,
        },
        accelerator=True,
        kinds=("pytorch", "trl"),
        description="Bradley-Terry reward model: goes on from the last one, on the labels of the "
        "experiment so far and pairs of its own mixture.",
        **common,
    )
    def reward_model(step: Step) -> Made:
        feedback, settings = step.loop.feedback, study.recipe.resolve_refresh(step.loop)
        last = checkpoints.find_latest(step.lake, last_model(step.loop), step.experiment)
        rows = refresh_pairs(
            step.lake,
            **chain.slice(step),
            oracle=feedback.oracle,
            mixture=settings.mixture,
            replay=feedback.replay,
            seed=step.seed,
        )
        made = train(
            step,
            "reward_model",
            rows,
            settings,
            start=last,
            iteration=chain.iteration,
        )
        measured = find_ranker(study, step.loop, step.asset).validate(step, chain.iteration)
        return Made(made.output_id, {**made.metadata, **measured})

    return [label_queue, preference_labels, reward_model]
