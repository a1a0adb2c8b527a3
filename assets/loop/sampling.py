"""Sampling of the responses of an iteration: all n at once, or round by round (adaptive n).

The body of the assets `generations`. Not here: the engine (`training.generation`), its policy
(`assets.loop.samplers`), the rule by which adaptive n stops (`transforms.pairs.adaptive`).
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from assets.loop.chain import Chain
from assets.loop.ranking.registry import find_ranker, select_ranker
from assets.loop.samplers import Engine, group_samplers
from assets.loop.scores import describe_reuse, score_missing
from assets.materialize import Step
from assets.study import Study
from training.settings.loop import LoopSettings
from transforms.formats import shorten_id
from transforms.identity import digest_settings
from transforms.lake.chunks import Chunks
from transforms.lake.enforcement import add_keys
from transforms.lake.locks import lock_slice
from transforms.lake.records import materializations
from transforms.pairs import responses
from transforms.pairs.adaptive import find_stops
from transforms.pairs.reuse import adopt_responses
from transforms.settings.pairs import AdaptiveSettings

STOPS = "sampling_stops"


def generation_settings(study: Study, chain: Chain, loop: LoopSettings) -> dict[str, Any]:
    """Return the settings that responses depend on; with adaptive n also those of rewards."""
    settings = {"sampling": loop.sampling.dump_decisive(), **study.model_settings}
    if loop.sampling.adaptive is not None:
        settings["ranker"] = select_ranker(study, chain, loop).response_settings(loop)
        settings["pairs"] = loop.pairs.ordering()
    return settings


def sample(step: Step, chain: Chain) -> dict[str, Any]:
    """Sample the missing responses of a chain; return metadata for the asset's page."""
    prompts = responses.read_with_references(step.lake, chain.splits)
    select_ranker(step.study, chain, step.loop).prepare(step, prompts)
    if step.loop.feedback is not None:  # then that one is the refreshed model, made from this one
        find_ranker(step.study, step.loop, step.loop.ranker).prepare(step, prompts)
    adaptive = step.loop.sampling.adaptive
    if adaptive is None:
        return sample_at_once(step, chain)
    return sample_in_rounds(step, chain, adaptive)


def sample_at_once(step: Step, chain: Chain) -> dict[str, Any]:
    """Sample all n responses of every prompt, with one engine per policy."""
    engines = group_samplers(step, chain)
    keys = [engine.keys for engine in engines]
    missing = responses.find_missing_prompts(step.lake, keys, chain.splits)
    adopted = _reuse(step, keys, missing)
    if adopted:
        missing = responses.find_missing_prompts(step.lake, keys, chain.splits)
    return {
        "prompts_sampled": max(prompts.height for prompts in missing),
        **adopted,
        **_generate(step, engines, missing),
    }


def _reuse(
    step: Step, keys: Sequence[responses.Keys], missing: Sequence[pl.DataFrame]
) -> dict[str, Any]:
    """Copy responses that other experiments sampled with the settings of this step."""
    settings = json.dumps(step.settings, sort_keys=True)
    alike = materializations.find_equal_experiments(
        step.lake, step.asset, step.experiment, settings
    )
    copied: Counter[str] = Counter()
    for one, prompts in zip(keys, missing, strict=True):
        copied.update(adopt_responses(step.lake, one, prompts, alike))
    return describe_reuse(step, copied)


def sample_in_rounds(step: Step, chain: Chain, adaptive: AdaptiveSettings) -> dict[str, Any]:
    """Sample in rounds: sample, score, continue with the prompts that the rule does not stop.

    A killed run continues in its round, because every prompt has only whole rounds. The scores are
    rows of the asset `scores`, which finds and keeps them. The number of responses at which a
    prompt stops is written to `sampling_stops`; the check `every_prompt_sampled_n_times` compares
    it with the responses.
    """
    (whole,) = group_samplers(step, chain)
    sampling, slice_ = step.loop.sampling, chain.slice(step)
    size, ranker = adaptive.round, select_ranker(step.study, chain, step.loop)
    decided_by = [whole.keys.sampling_id, adaptive.model_dump(), step.settings["pairs"]]
    sampling_id = digest_settings([*decided_by, ranker.columns(step)])
    (draws,) = whole.keys.draws
    runs: list[dict[str, Any]] = []
    stopped, waits = pl.DataFrame(), step.log.warning
    with lock_slice(step.lake, chain.asset("scores"), step.experiment, wait=waits):
        for first in range(0, sampling.n, size):
            seed = step.study.seed(f"{step.asset}/from_{first}") if first else whole.seed
            engine = Engine(
                whole.policy,
                sampling.model_copy(update={"n": size, "adaptive": None}),
                seed,
                replace(
                    whole.keys,
                    sampling_id=sampling_id,
                    draws=[draws._replace(first_index=first, n=size)],
                ),
            )
            due = responses.find_due_prompts(step.lake, engine.keys, chain.splits, stopped)
            runs.append(_generate(step, [engine], [due]))
            score_missing(step, ranker, slice_)
            rows = responses.read_with_rewards(step.lake, **slice_)
            stopped = find_stops(rows, adaptive, step.loop.pairs, sampling.n)
    stamped = add_keys(stopped, **slice_, sampling_id=sampling_id)
    step.lake.overwrite(STOPS, stamped, **slice_)
    tokens = sum(run.get("response_tokens", 0) for run in runs)
    return {
        "prompts_stopped_early": stopped.filter(stopped["responses"] < sampling.n).height,
        "mean_responses": stopped["responses"].mean(),
        **({"response_tokens": tokens} if tokens else {}),
    }


def _stamp_and_commit(commit: Chunks, keys: responses.Keys, rows: pl.DataFrame) -> None:
    commit(keys.add_to(rows))


def _generate(
    step: Step, engines: Sequence[Engine], missing: Sequence[pl.DataFrame]
) -> dict[str, Any]:
    """Start every engine that has prompts, and commit its responses as they are finished."""
    # Imported here, because Dagster's web server loads the definitions and must not load torch.
    from training.generation import generate

    runs = []
    with Chunks(step.lake, "generations", step.commits) as commit:
        for engine, prompts in zip(engines, missing, strict=True):
            step.log.info(
                f"{step.asset}: {prompts.height} prompts to sample from"
                f" {shorten_id(engine.policy.checkpoint_id)}"
            )
            if prompts.height:
                runs.append(
                    generate(
                        prompts,
                        engine.policy.path,
                        engine.settings,
                        seed=engine.seed,
                        dtype=step.dtype,
                        commit=partial(_stamp_and_commit, commit, engine.keys),
                        devices=step.devices,
                        description=step.asset,
                    )
                )
    if not runs:
        return {}
    tokens = sum(run.response_tokens for run in runs)
    return {
        "response_tokens": tokens,
        "tokens_per_s": tokens / sum(run.elapsed_s for run in runs),
        "engine_start_s": sum(run.engine_start_s for run in runs),
    }
