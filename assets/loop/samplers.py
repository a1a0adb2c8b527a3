"""Samplers of an iteration: their policies, grouped into one engine per policy.

Not here: generation (`training.generation`), settings (`training.settings.sampling`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from assets.loop.chain import Chain
from assets.materialize import Step
from training.settings.loop import LoopSettings
from training.settings.sampling import SamplingSettings
from transforms.lake.asset_names import iteration_asset
from transforms.lake.records.checkpoints import Checkpoint
from transforms.pairs import responses, sampler_places


@dataclass(frozen=True)
class Engine:
    """One engine of an iteration: it generates for all samplers that use its policy."""

    policy: Checkpoint
    settings: SamplingSettings
    """Settings with the samplers of this engine only."""
    seed: int
    keys: responses.Keys
    """Keys of its responses in the table `generations`."""


def group_samplers(step: Step, chain: Chain) -> list[Engine]:
    """Group an iteration's samplers into engines, one per policy, in the order of the samplers.

    Samplers share an engine if and only if their policies are the same checkpoint. An engine of
    another policy than `chain.sampled_policy` has its own seed: with the same seed, two similar
    policies would give the same responses to the same prompts.

    Raises:
        InputError: a policy is missing.
    """
    sampling = step.loop.sampling
    samplers = sampling.resolve_samplers()
    draws = sampler_places.number_samplers(
        [
            {"policy": one.policy_name, **one.model_dump(include=set(responses.SAMPLER_KEYS))}
            for one in samplers
        ]
    )
    assets: dict[Checkpoint, str] = {}
    draws_of_policy: dict[Checkpoint, list[sampler_places.Draw]] = {}
    for draw in draws:
        asset = find_policy_asset(chain, draw.policy)
        policy = step.model(asset)
        assets.setdefault(policy, asset)
        draws_of_policy.setdefault(policy, []).append(draw)
    engines = []
    for policy, own_draws in draws_of_policy.items():
        suffix = () if assets[policy] == chain.sampled_policy else (assets[policy],)
        seed = step.study.seed("/".join([step.asset, *suffix]))
        settings = sampling.model_copy(
            update={
                "samplers": sampling.samplers
                and tuple(samplers[draw.sampler] for draw in own_draws)
            }
        )
        keys = responses.Keys(
            **chain.slice(step),
            policy_id=policy.checkpoint_id,
            sampling_id=responses.make_sampling_id(
                sampling.model_dump(), seed, own_draws if sampling.samplers else ()
            ),
            draws=own_draws,
            n=sampling.responses_per_prompt,
        )
        engines.append(Engine(policy, settings, seed, keys))
    return engines


def find_policy_asset(chain: Chain, policy: str) -> str:
    """Return the asset of a sampler's policy, as in the table `checkpoints`."""
    if policy == "current" or chain.iteration <= 1:
        return chain.sampled_policy
    if policy == "initial" or (policy == "previous" and chain.iteration == 2):
        return chain.initial_policy
    if policy == "previous":
        return iteration_asset(chain.iteration - 2, "policy")
    return chain.sampled_policy + policy.removeprefix("step")


def list_sampled_policies(chain: Chain, loop: LoopSettings) -> list[str]:
    """List the assets whose policies an iteration samples, sorted."""
    assets = [find_policy_asset(chain, one.policy_name) for one in loop.sampling.resolve_samplers()]
    return sorted({asset.partition("@")[0] for asset in assets})


def list_kept_shares(loop: LoopSettings) -> Sequence[float]:
    """List the shares of training steps whose checkpoints the next iteration samples."""
    return [one.share for one in loop.sampling.samplers if one.share is not None]
