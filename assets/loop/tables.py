"""Assets of a chain's tables: its generations, their scores, and the pairs made from them.

Not here: the chains (`assets.loop.iterations`), the policies (`assets.loop.policy`).
Paper: section 3.3.
"""

from collections.abc import Callable, Sequence
from functools import partial

import dagster as dg

from assets.declare import Decorator, declare
from assets.loop.chain import Chain
from assets.loop.health import health_warnings, record_health
from assets.loop.pairing import PAIR_CHECKS, write_pairs
from assets.loop.ranking.registry import select_ranker
from assets.loop.samplers import list_sampled_policies
from assets.loop.sampling import generation_settings, sample
from assets.loop.scores import score_missing
from assets.materialize import Made, Step
from assets.metadata import picture, response_metadata, show, table_metadata, table_preview
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.lake.schemas import TABLES
from transforms.lake.schemas.table import SHARED

RESPONSE_CHECKS = (
    "no_duplicate_response_key",
    "sampled_from_the_expected_policy",
    "few_empty_responses",
    "every_prompt_sampled_n_times",
    "no_held_out_prompt_in_training",
)
"""Files of `sql/checks` for generations."""
SCORE_CHECKS = (
    "rewards_are_finite",
    "every_response_scored",
    "scored_by_the_expected_ranker",
    "judgments_are_usable",
)
"""Files of `sql/checks` for scores."""


def build_tables(study: Study, chain: Chain) -> Sequence[dg.AssetsDefinition]:
    """Build the generations, scores and pairs of a chain."""
    return [*build_responses(study, chain), _build_pairs(study, chain)]


def build_responses(study: Study, chain: Chain) -> Sequence[dg.AssetsDefinition]:
    """Build the generations and scores of a chain."""
    return [_build_generations(study, chain), _build_scores(study, chain)]


def _declare_table(study: Study, chain: Chain) -> Callable[..., Decorator]:
    """Return `declare` for tables that only experiments with stored responses have."""
    return partial(
        declare,
        study,
        group=chain.group,
        partitioned=chain.partitioned,
        applies_to=lambda loop: loop.has_responses,
        scope=chain.slice,
    )


def _build_generations(study: Study, chain: Chain) -> dg.AssetsDefinition:
    @_declare_table(study, chain)(
        chain.asset("generations"),
        table=TABLES["generations"],
        deps=("prompts", "prompt_splits", *_list_all_sampled(study, chain)),
        reads=lambda loop: ("prompts", "prompt_splits", *_list_sampled(study, chain, loop)),
        settings=lambda loop: generation_settings(study, chain, loop),
        checks=RESPONSE_CHECKS,
        accelerator=True,
        kinds=("deltalake", "vllm"),
        description=f"Every prompt of {', '.join(chain.splits)} has n responses, from "
        f"{chain.sampled_policy} or by the experiment's `samplers`. Responses are committed in "
        "chunks; a restart samples only the missing ones.",
    )
    def generations(step: Step) -> Made:
        metadata = sample(step, chain)
        rows = step.lake.read("generations", **chain.slice(step))
        version = step.lake.version("generations")
        return Made(
            f"generations@{version}", {**response_metadata(step.lake, rows, version), **metadata}
        )

    return generations


def _build_scores(study: Study, chain: Chain) -> dg.AssetsDefinition:
    @_declare_table(study, chain)(
        chain.asset("scores"),
        table=TABLES["scores"],
        deps=(chain.asset("generations"), "prompts", *_list_rankers(study, chain)),
        reads=lambda loop: (
            chain.asset("generations"),
            "prompts",
            *select_ranker(study, chain, loop).assets,
        ),
        settings=lambda loop: select_ranker(study, chain, loop).response_settings(loop),
        checks=SCORE_CHECKS,
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description=f"The experiment's ranker (a reward model, a preference model, a judge, or "
        f"one of `rewards`) scores the responses of {chain.asset('generations')}.",
    )
    def scores(step: Step) -> Made:
        from transforms.views.plots.thumbnails import draw_rewards
        from transforms.views.plots.training import render_reward_histogram

        ranker = select_ranker(study, chain, step.loop)
        metadata = score_missing(step, ranker, chain.slice(step))
        scored = step.lake.read("scores", **chain.slice(step))
        rewards = scored.drop_nulls("reward")
        version = step.lake.version("scores")
        return Made(
            f"scores@{version}",
            {
                **show(draw_rewards(rewards["reward"]), "distribution"),
                "mean_reward": rewards["reward"].mean(),
                "rewards": picture(render_reward_histogram(rewards), "rewards"),
                **response_metadata(step.lake, scored, version),
                **metadata,
            },
        )

    return scores


def _list_all_sampled(study: Study, chain: Chain) -> list[str]:
    """List the assets that the responses of all experiments are sampled from, sorted."""
    return sorted(
        {name for loop in _list_loops(study, chain) for name in _list_sampled(study, chain, loop)}
    )


def _list_sampled(study: Study, chain: Chain, loop: LoopSettings) -> list[str]:
    """List the sampled policies and, with adaptive n, the assets of the ranker."""
    policies = list_sampled_policies(chain, loop)
    if loop.sampling.adaptive is None:
        return policies
    return [*policies, *select_ranker(study, chain, loop).assets]


def _list_rankers(study: Study, chain: Chain) -> list[str]:
    """List the assets of all experiments' rankers, sorted; a judge has none."""
    rankers = [select_ranker(study, chain, loop) for loop in _list_loops(study, chain)]
    return sorted({name for ranker in rankers for name in ranker.assets})


def _list_loops(study: Study, chain: Chain) -> list[LoopSettings]:
    """List the loop settings of the experiments that store responses."""
    experiments = study.recipe.experiments if chain.partitioned else [SHARED]
    return [loop for loop in map(study.loop, experiments) if loop.has_responses]


def _build_pairs(study: Study, chain: Chain) -> dg.AssetsDefinition:
    @_declare_table(study, chain)(
        chain.asset("dpo_pairs"),
        table=TABLES["dpo_pairs"],
        deps=(chain.asset("generations"), chain.asset("scores"), "prompts"),
        settings=lambda loop: {"pairs": loop.pairs.model_dump()},
        checks=PAIR_CHECKS,
        warnings=[health_warnings(chain)],
        kinds=("deltalake", "polars"),
        description="With the rule best_vs_worst, a prompt has one pair if its highest and lowest "
        "penalised reward (eq. 8) differ. Prompts without a pair are in `dropped_pairs`.",
    )
    def pairs(step: Step) -> Made:
        slice_ = chain.slice(step)
        made = write_pairs(step.lake, step.loop.pairs, slice_, slice_)
        reasons = made.dropped["reason"].value_counts().sort("reason")
        health = record_health(step, chain)
        return Made(
            f"dpo_pairs@{made.version}",
            {
                **table_metadata(made.pairs, made.version),
                "dropped_pairs": made.dropped.height,
                "dropped_by_reason": table_preview(reasons),
                "mean_margin": made.pairs["margin"].mean(),
                "length_penalty": made.penalty,
                **health,
            },
        )

    return pairs
