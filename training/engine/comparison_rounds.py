"""Rewards of the n responses to each prompt, from any function that compares two responses.

Comparisons are made in rounds, over chunks of prompts. Not here: the model that compares
(`training.models.preference_forward`), which comparisons are made, and rewards from their outcomes
(`transforms.pairs.tournaments`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl
from tqdm import tqdm

from training.models.comparison_prompts import Comparison
from training.models.preference_forward import Preferences
from training.settings.scoring import RankingSettings
from transforms.errors import InputError
from transforms.pairs.tournaments import Outcomes, compute_rewards, plan_comparisons

Compare = Callable[[Sequence[Comparison], Sequence[str]], Preferences]
"""Computes P(first over second) of comparisons; the second argument has their names, for errors."""


@dataclass(frozen=True)
class _Ranked:
    """Rewards of some prompts, the cost of computing them, and the errors of other prompts."""

    frames: list[pl.DataFrame]
    comparisons: int
    tokens: int
    refused: list[InputError]


def rank_by(
    compare: Compare,
    responses: pl.DataFrame,
    settings: RankingSettings,
    *,
    commit: Callable[[pl.DataFrame], None],
    description: str = "scores",
) -> tuple[int, int]:
    """Rank the responses of every prompt with any function that compares two of them.

    Arguments, errors and rows for `commit` are those of `training.ranking.rank`.

    Returns:
        The number of comparisons, and of tokens that were read.
    """
    sets = responses.group_by("prompt_id", maintain_order=True).agg(
        pl.col("prompt").first(),
        pl.struct("response_index", "response").sort_by("response_index").alias("responses"),
    )
    prompts = compared = tokens = 0
    refused: list[InputError] = []
    with tqdm(total=responses.height, desc=description, unit="response", disable=None) as bar:
        for chunk in sets.iter_slices(settings.chunk_prompts):
            ranked = _rank_sets(compare, chunk.rows(), settings)
            compared, tokens = compared + ranked.comparisons, tokens + ranked.tokens
            refused += ranked.refused
            prompts += chunk.height
            bar.update(chunk["responses"].list.len().sum())
            if not ranked.frames:
                break
            commit(pl.concat(ranked.frames))
    if refused:
        raise InputError(
            f"prompts without rewards: {len(refused)} of {prompts}; the others are committed",
            expected="comparisons that the model can read, with a finite outcome",
            found=f"the first error: {refused[0].what}: {refused[0].parts['found']}",
            remedy=f"{refused[0].parts['remedy']}; or drop the prompt",
        ) from refused[0]
    return compared, tokens


def _rank_sets(compare: Compare, sets: list[tuple], settings: RankingSettings) -> _Ranked:
    """Rank prompts together; if that fails, one at a time, so that an error affects one prompt."""
    try:
        outcomes, tokens = _compare_all(compare, sets, settings)
    except InputError as error:
        if len(sets) == 1:
            return _Ranked([], 0, 0, [error])
        parts = [_rank_sets(compare, [one], settings) for one in sets]
        return _Ranked(
            [frame for part in parts for frame in part.frames],
            sum(part.comparisons for part in parts),
            sum(part.tokens for part in parts),
            [error for part in parts for error in part.refused],
        )
    frames = [
        _make_rewards(prompt_id, answers, played, settings)
        for (prompt_id, _, answers), played in zip(sets, outcomes, strict=True)
    ]
    return _Ranked(frames, sum(map(len, outcomes)), tokens, [])


def _compare_all(
    compare: Compare, sets: list[tuple], settings: RankingSettings
) -> tuple[list[dict[tuple[int, int], float]], int]:
    """Compare the responses of a chunk's prompts, round by round; return outcomes and tokens."""
    outcomes: list[dict[tuple[int, int], float]] = [{} for _ in sets]
    tokens = 0
    for prompt_id, _, answers in sets:
        _require_rankable(prompt_id, answers)
    while True:
        due = [
            (place, pair)
            for place, (_, _, answers) in enumerate(sets)
            for pair in plan_comparisons(settings.method, len(answers), outcomes[place])
        ]
        if not due:
            return outcomes, tokens
        comparisons, names = [], []
        for place, pair in due:
            prompt_id, prompt, answers = sets[place]
            first, second = (answers[number] for number in pair)
            comparisons.append((prompt, first["response"], second["response"]))
            names.append(
                f"{prompt_id}, responses {first['response_index']} and {second['response_index']}"
            )
        preferences = compare(comparisons, names)
        for (place, pair), probability in zip(due, preferences.probabilities, strict=True):
            outcomes[place][pair] = probability
        tokens += preferences.tokens


def _require_rankable(prompt_id: str, answers: list[dict]) -> None:
    indices = [answer["response_index"] for answer in answers]
    if len(set(indices)) < len(indices):
        raise InputError(
            f"prompt {prompt_id} has a response twice",
            expected="every response_index of a prompt once",
            found=str(indices),
            remedy="rank the responses of one iteration and experiment at a time",
        )
    for answer in answers:
        if answer["response"] is None:
            raise InputError(
                f"prompt {prompt_id}, response {answer['response_index']} has no text",
                expected="a text, which may be empty",
                found="null",
                remedy="drop the row",
            )


def _make_rewards(
    prompt_id: str, answers: list[dict], outcomes: Outcomes, settings: RankingSettings
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt_id": [prompt_id] * len(answers),
            "response_index": [answer["response_index"] for answer in answers],
            "reward": compute_rewards(settings.method, len(answers), outcomes),
        },
        schema={"prompt_id": pl.String, "response_index": pl.Int32, "reward": pl.Float64},
    )
