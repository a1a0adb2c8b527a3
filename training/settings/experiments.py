"""Checks of experiments: names, overrides of `loop` settings, token limits. Imports no torch.

Not here: bounds of single settings, which are at their fields (`training.settings.loop`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.settings.benchmarks import AnyBenchmark
from training.settings.feedback import FeedbackSettings
from training.settings.judge import JudgeSettings
from training.settings.loop import LoopSettings
from training.settings.rankers import find_kind
from training.settings.training import TrainingSettings
from transforms.errors import InputError

RESERVED = ("shared", "one_shot", "length_study", "current")
"""Names that tables use for rows that belong to no experiment of the recipe."""


def require_allowed(experiment: str, override: Mapping[str, Any]) -> None:
    """Refuse a reserved experiment name, and an override of `iterations`.

    Raises:
        ValueError: the message explains what is allowed.
    """
    if experiment in RESERVED:
        raise ValueError(
            f"an experiment cannot have the name {experiment}: tables use {', '.join(RESERVED)} for"
            " rows of no experiment"
        )
    if "iterations" in override:
        raise ValueError(
            f"experiment {experiment} overrides iterations, which is the same for all experiments"
        )


def require_consistent(
    experiment: str,
    loop: LoopSettings,
    *,
    rankers: Sequence[str],
    oracles: Sequence[str],
) -> None:
    """Refuse loop settings that do not fit the other parts of the recipe.

    Args:
        experiment: name of the experiment.
        loop: its resolved settings.
        rankers: allowed values of `loop.ranker`.
        oracles: values of `feedback.oracle` that can label pairs in this recipe.

    Raises:
        ValueError: the message gives the first setting that does not fit, and what is allowed.
    """
    if loop.sampling.responses_per_prompt < 2:
        raise ValueError(
            f"experiment {experiment}: sampling.n is 1; a pair needs at least 2 responses"
        )
    if loop.ranker not in rankers:
        raise ValueError(
            f"experiment {experiment} ranks by {loop.ranker!r}; the rankers are "
            f"{', '.join(rankers)}"
        )
    kind = find_kind(loop.ranker)
    if loop.ranking.method not in kind.methods:
        raise ValueError(
            f"experiment {experiment}: a {kind.name} ranks by ranking.method "
            f"{' or '.join(kind.methods)} only"
        )
    if loop.feedback is not None:
        _require_oracle(experiment, loop.feedback, oracles)


def require_room(experiment: str, loop: LoopSettings) -> None:
    """Refuse a training that would leave out the longest responses that its loop samples.

    Raises:
        ValueError: the message gives both limits.
    """
    longest = loop.sampling.max_tokens
    for name in loop.objectives:
        limit = getattr(loop, name).max_tokens
        if limit < longest:
            raise ValueError(
                f"experiment {experiment}: {name}.max_tokens {limit} is below sampling.max_tokens"
                f" {longest}, so the longest responses would be in no training: set"
                f" {name}.max_tokens to {loop.sampling.max_context_tokens}, as"
                " sampling.max_context_tokens, or lower sampling.max_tokens"
            )


def require_judge_room(experiment: str, loop: LoopSettings, judge: JudgeSettings) -> None:
    """Refuse a judge in this process whose context two of the longest responses fill.

    Raises:
        ValueError: the message gives the limits.
    """
    longest = loop.sampling.max_tokens
    needed = 2 * longest + judge.max_tokens
    if judge.path is not None and needed >= judge.max_context_tokens:
        raise ValueError(
            f"experiment {experiment}: a request to the judge may have two responses of"
            f" sampling.max_tokens {longest}, and an answer of judge.max_tokens {judge.max_tokens}:"
            f" set judge.max_context_tokens {judge.max_context_tokens} well above {needed}, or"
            " lower one of them"
        )


def require_context(
    context_tokens: int,
    *,
    trained: Mapping[str, TrainingSettings],
    loop: LoopSettings,
    experiments: Mapping[str, LoopSettings],
    benchmarks: Mapping[str, AnyBenchmark],
) -> None:
    """Refuse limits that are larger than the context of the initial model.

    Limits of packed examples are not compared: a block may be longer than the context, because the
    positions restart with every example.

    Args:
        context_tokens: context of the initial model, which all policies share.
        trained: settings of the trainings before the loop, by recipe key.
        loop: settings of the recipe's own loop. A limit that an experiment has from it is listed
            under its key.
        experiments: settings of the loop, by experiment.
        benchmarks: settings of the benchmarks, by name.

    Raises:
        InputError: the message lists the settings.
    """
    limits = {
        f"{key}.max_tokens": one.max_tokens
        for key, one in trained.items()
        if not getattr(one, "packing", False)
    }
    shared = _list_limits(loop)
    limits |= {f"loop.{key}": limit for key, limit in shared.items()}  # one-shot DPO has them
    for name, one in experiments.items():
        for key, limit in _list_limits(one).items():
            owner = "loop" if shared.get(key) == limit else f"experiments.{name}"
            limits[f"{owner}.{key}"] = limit
    for name, benchmark in benchmarks.items():
        key = f"benchmarks.{name}"
        limits[f"{key}.max_context_tokens"] = benchmark.max_context_tokens or 0
        limits[f"{key}.max_tokens"] = benchmark.max_tokens or 0
    too_long = [f"{key} {limit}" for key, limit in limits.items() if limit > context_tokens]
    if too_long:
        raise InputError(
            "the model's context is too short",
            expected=f"at most {context_tokens} tokens, the context of the initial model",
            found=", ".join(too_long),
            remedy="lower these settings, or use a model with more context",
        )


def _list_limits(loop: LoopSettings) -> dict[str, int]:
    """Return the token limits of a loop's sampling and trainings, by key."""
    trained = {f"{name}.max_tokens": getattr(loop, name).max_tokens for name in loop.objectives}
    return {"sampling.max_context_tokens": loop.sampling.max_context_tokens, **trained}


def require_reward_context(
    model: str,
    context_tokens: int,
    loops: Iterable[LoopSettings],
    refreshes: Iterable[TrainingSettings] = (),
) -> None:
    """Refuse a given reward model that cannot read what is sampled, or be trained on it.

    Args:
        model: its folder.
        context_tokens: its context.
        loops: settings of the loops whose responses it scores.
        refreshes: settings of the trainings that start from it.

    Raises:
        InputError: its context is shorter than the largest `sampling.max_context_tokens`, or than
            `feedback.reward_model.max_tokens`.
    """
    limits = {
        "sampling.max_context_tokens": [loop.sampling.max_context_tokens for loop in loops],
        "feedback.reward_model.max_tokens": [one.max_tokens for one in refreshes],
    }
    for key, values in limits.items():
        longest = max(values, default=0)
        if context_tokens < longest:
            raise InputError(
                f"the context of the reward model {model} is too short",
                expected=f"at least {longest} tokens, the largest {key}",
                found=f"{context_tokens} tokens",
                remedy=f"lower {key}, or use another reward model",
            )


def _require_oracle(experiment: str, feedback: FeedbackSettings, oracles: Sequence[str]) -> None:
    """Refuse feedback without its oracle."""
    if feedback.oracle not in oracles:
        raise ValueError(
            f"experiment {experiment}: feedback.oracle is {feedback.oracle}, which the "
            f"recipe does not have: set `{feedback.oracle}`"
        )
