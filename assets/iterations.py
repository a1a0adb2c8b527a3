"""The loop, unrolled: iteration t samples from the policy of t - 1, scores, pairs, and trains.

Dagster refuses an edge between partitions of the same assets, so every iteration has assets of its
own, and the lineage graph shows the whole loop. The baseline `one_shot` is the same chain drawn
once from pi_0 over the prompts of all iterations. Paper: Algorithm 1 and section 3.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from assets.materialize import Made, Step, declare
from assets.metadata import picture, table_metadata, table_preview
from assets.study import Study
from assets.training_run import train
from training.settings import LoopSettings
from transforms import checkpoints, dpo_pairs, responses
from transforms.plots import reward_histogram

RESPONSE_CHECKS = (
    "no_duplicate_response_key",
    "every_prompt_sampled_n_times",
    "no_held_out_prompt_in_training",
)
SCORE_CHECKS = ("rewards_are_finite", "every_response_scored")
PAIR_CHECKS = (
    "chosen_differs_from_rejected",
    "penalised_reward_is_ordered",
    "no_held_out_prompt_in_training",
)


@dataclass(frozen=True)
class Chain:
    """One sample-score-pair-train chain: an iteration of the loop, or the one-shot baseline."""

    group: str
    iteration: int
    splits: tuple[str, ...]
    """Splits whose prompts are sampled."""
    sampled_policy: str
    """Asset of the policy that is sampled."""
    partitioned: bool

    def asset(self, noun: str) -> str:
        """Name of one of the chain's assets."""
        return f"{self.group}/{noun}"

    def slice(self, step: Step) -> dict[str, str | int]:
        """Rows of the chain in the loop's tables; the one-shot baseline is its own experiment."""
        experiment = step.experiment if self.partitioned else self.group
        return {"experiment": experiment, "iteration": self.iteration}


def build_iteration(study: Study, iteration: int) -> list[dg.AssetsDefinition]:
    """Build the assets of iteration t, an experiment a partition."""
    previous = f"iteration_{iteration - 1}/policy" if iteration > 1 else "sft_policy"
    chain = Chain(f"iteration_{iteration}", iteration, (f"iteration_{iteration}",), previous, True)
    return [*_build_data(study, chain), _build_policy(study, chain)]


def build_one_shot(study: Study) -> list[dg.AssetsDefinition]:
    """Build the baseline that samples every prompt once, from pi_0."""
    splits = tuple(f"iteration_{t}" for t in study.iterations)
    chain = Chain("one_shot", 1, splits, "sft_policy", False)
    return [*_build_data(study, chain), _build_policy(study, chain)]


def _build_data(study: Study, chain: Chain) -> Sequence[dg.AssetsDefinition]:
    common = {"group": chain.group, "partitioned": chain.partitioned}

    @declare(
        study,
        chain.asset("generations"),
        deps=("prompts", "prompt_splits", chain.sampled_policy),
        settings=lambda loop: {"sampling": loop.sampling.model_dump(), **study.model_settings},
        checks=RESPONSE_CHECKS,
        scope=chain.slice,
        accelerator=True,
        kinds=("deltalake", "vllm"),
        description=f"One row per response, n for each prompt of {', '.join(chain.splits)}, "
        f"sampled from {chain.sampled_policy}; chunks are committed as they come, and a restart "
        "samples only what is missing.",
        **common,
    )
    def generations(step: Step) -> Made:
        from training.generation import generate

        policy = checkpoints.latest(step.lake, chain.sampled_policy, step.experiment)
        seed = study.seed(step.asset)
        keys = responses.Keys(
            **chain.slice(step),
            policy_id=policy.checkpoint_id,
            sampling_id=responses.sampling_id(step.loop.sampling.model_dump(), seed),
        )
        missing = responses.missing_prompts(step.lake, keys, chain.splits)
        step.log.info(f"{step.asset}: {missing.height} prompts to sample")
        metadata = {"prompts_sampled": missing.height}
        if missing.height:
            run = generate(
                missing,
                policy.path,
                step.loop.sampling,
                seed=seed,
                dtype=study.recipe.model.dtype,
                commit=lambda rows: step.lake.append("generations", keys.stamp(rows)),
                description=step.asset,
            )
            metadata |= {
                "response_tokens": run.response_tokens,
                "tokens_per_s": run.response_tokens / run.elapsed_s,
                "engine_start_s": run.engine_start_s,
            }
        rows = step.lake.read("generations", **chain.slice(step))
        version = step.lake.version("generations")
        return Made(f"generations@{version}", {**table_metadata(rows, version), **metadata})

    @declare(
        study,
        chain.asset("scores"),
        deps=(chain.asset("generations"), "prompts", "reward_model"),
        settings=lambda loop: {"dtype": study.recipe.model.dtype},
        checks=SCORE_CHECKS,
        scope=chain.slice,
        accelerator=True,
        kinds=("deltalake", "pytorch"),
        description=f"One row per response of {chain.asset('generations')}: "
        "its reward under the reward model.",
        **common,
    )
    def scores(step: Step) -> Made:
        from training.scoring import score

        model = checkpoints.latest(step.lake, "reward_model", step.experiment)
        rows = responses.with_prompts(step.lake, **chain.slice(step))
        responses.clear(step.lake, "scores", **chain.slice(step))
        run = score(
            rows,
            model.path,
            step.loop.scoring,
            dtype=study.recipe.model.dtype,
            commit=lambda rewards: step.lake.append(
                "scores",
                responses.stamp(rewards, **chain.slice(step), reward_model_id=model.checkpoint_id),
            ),
            description=step.asset,
        )
        scored = step.lake.read("scores", **chain.slice(step))
        version = step.lake.version("scores")
        return Made(
            f"scores@{version}",
            {
                **table_metadata(scored, version),
                "mean_reward": scored["reward"].mean(),
                "rows_per_s": scored.height / run.elapsed_s,
                "rewards": picture(reward_histogram(scored), "rewards"),
            },
        )

    @declare(
        study,
        chain.asset("dpo_pairs"),
        deps=(chain.asset("generations"), chain.asset("scores"), "prompts"),
        settings=lambda loop: {"pairs": loop.pairs.model_dump()},
        checks=PAIR_CHECKS,
        scope=chain.slice,
        kinds=("deltalake", "polars"),
        description="One row per prompt that gave a pair: the responses with the highest and the "
        "lowest penalised reward (eq. 8). Prompts without one are in `dropped_pairs`.",
        **common,
    )
    def pairs(step: Step) -> Made:
        rows = responses.with_rewards(step.lake, **chain.slice(step))
        kept, dropped = dpo_pairs.best_vs_worst(rows, step.loop.pairs)
        dropped = responses.stamp(dropped, **chain.slice(step))
        step.lake.overwrite("dropped_pairs", dropped, **chain.slice(step))
        kept = responses.stamp(kept, **chain.slice(step))
        version = step.lake.overwrite("dpo_pairs", kept, **chain.slice(step))
        return Made(
            f"dpo_pairs@{version}",
            {
                **table_metadata(kept, version),
                "dropped_pairs": dropped.height,
                "dropped_by_reason": table_preview(dropped["reason"].value_counts(sort=True)),
                "mean_margin": kept["margin"].mean(),
            },
        )

    return [generations, scores, pairs]


def _build_policy(study: Study, chain: Chain) -> dg.AssetsDefinition:
    earlier = (
        [f"iteration_{t}/dpo_pairs" for t in range(1, chain.iteration)] if chain.partitioned else []
    )

    @declare(
        study,
        chain.asset("policy"),
        group=chain.group,
        # Earlier pairs are inputs only where they are replayed; the edge is for all experiments.
        deps=tuple(
            dict.fromkeys(
                [
                    chain.asset("dpo_pairs"),
                    *(earlier if _any_accumulates(study) else []),
                    chain.sampled_policy,
                    "sft_policy",
                ]
            )
        ),
        settings=lambda loop: {
            "dpo": loop.dpo.model_dump(),
            "reference": loop.reference,
            "start": loop.start,
            "data": loop.data,
            **study.model_settings,
        },
        partitioned=chain.partitioned,
        accelerator=True,
        kinds=("pytorch", "trl"),
        description=f"Policy: trained with DPO on {chain.asset('dpo_pairs')}, from "
        f"{chain.sampled_policy} (setting `start`) against pi_0 (setting `reference`).",
    )
    def policy(step: Step) -> Made:
        initial = checkpoints.latest(step.lake, "sft_policy", step.experiment)
        previous = checkpoints.latest(step.lake, chain.sampled_policy, step.experiment)
        first = 1 if step.loop.data == "accumulated" else chain.iteration
        rows = responses.pairs_between(step.lake, **chain.slice(step), first_iteration=first)
        start = previous if step.loop.start == "previous" else initial
        return train(
            study,
            step,
            "dpo",
            rows,
            step.loop.dpo,
            parent=start,
            start=start,
            reference=initial if step.loop.reference == "initial" else previous,
            iteration=chain.iteration if chain.partitioned else 0,
        )

    return policy


def _any_accumulates(study: Study) -> bool:
    loops: list[LoopSettings] = [study.loop(experiment) for experiment in study.recipe.experiments]
    return any(loop.data == "accumulated" for loop in loops)
