"""Rewards of the n responses to each prompt, from comparisons of two responses at a time.

Comparisons are made in rounds, over chunks of prompts. The published code mentions a tournament for
its preference model but does not contain one; the paper's loop ranks only with the Bradley-Terry
model (section 3.3). Not here: which comparisons are made, and rewards from their outcomes
(`transforms.pairs.tournaments`); the model (`training.models.preference_forward`).
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from accelerate.utils import release_memory
from tqdm import tqdm

from training.models.comparison_prompts import Comparison
from training.models.preference_forward import (
    Preferences,
    compare_responses,
    load_preference_model,
)
from training.runs.launch import DtypeOption, SettingsOption, read_settings, run_command
from training.settings.scoring import RankingSettings
from transforms.errors import InputError
from transforms.pairs.tournaments import Outcomes, compute_rewards, plan_comparisons

Compare = Callable[[Sequence[Comparison], Sequence[str]], Preferences]
"""Computes P(first over second) of comparisons; the second argument has their names, for errors."""


@dataclass(frozen=True)
class RankingRun:
    """Counts of a ranking run; a comparison in both orders is counted once."""

    responses: int
    comparisons: int
    tokens: int
    model_start_s: float
    elapsed_s: float


@dataclass(frozen=True)
class _Ranked:
    """Rewards of some prompts, the cost of computing them, and the errors of other prompts."""

    frames: list[pl.DataFrame]
    comparisons: int
    tokens: int
    refused: list[InputError]


def rank(
    responses: pl.DataFrame,
    preference_model: Path,
    settings: RankingSettings,
    *,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str = "scores",
) -> RankingRun:
    """Rank the responses of every prompt; rewards do not depend on row order or batches.

    If a prompt cannot be ranked, the others are still ranked and committed, then the error is
    raised. A chunk without any reward ends the run immediately.

    Args:
        responses: prompt_id, response_index, prompt (messages), response; one row per response.
        preference_model: folder of a preference model.
        settings: method, batch_tokens (padded, per forward pass), chunk_prompts (per commit).
        dtype: dtype of the weights; the head always computes in float32.
        commit: called with prompt_id, response_index, reward (a probability,
            `transforms.pairs.tournaments.compute_rewards`) for every chunk_prompts prompts; prompts
            in the order of their first row, the responses of each by index.
        description: text of the progress bar.

    Raises:
        InputError: the model is not a preference model; or a comparison does not fit into its
            context, a probability is not finite, or a response is null or occurs twice. The message
            gives the number of such prompts and the first one.
    """
    started = time.perf_counter()
    model = load_preference_model(preference_model, dtype)
    ready = time.perf_counter()

    compare = partial(compare_responses, model, batch_tokens=settings.batch_tokens)
    compared, tokens = rank_by(compare, responses, settings, commit=commit, description=description)
    elapsed_s = time.perf_counter() - ready
    del model, compare
    release_memory()  # an engine that starts next needs nearly the whole GPU
    return RankingRun(responses.height, compared, tokens, ready - started, elapsed_s)


def rank_by(
    compare: Compare,
    responses: pl.DataFrame,
    settings: RankingSettings,
    *,
    commit: Callable[[pl.DataFrame], None],
    description: str = "scores",
) -> tuple[int, int]:
    """Rank with any comparison function, as in `rank`; return numbers of comparisons and tokens."""
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


def main(
    preference_model: Annotated[Path, typer.Option(help="Folder of the preference model.")],
    responses: Annotated[
        Path,
        typer.Option(help="Parquet file: prompt_id, response_index, prompt (messages), response."),
    ],
    output: Annotated[Path, typer.Option(help="Parquet file: prompt_id, response_index, reward.")],
    settings_file: SettingsOption = None,
    dtype: DtypeOption = "bfloat16",
) -> None:
    """Rank responses with a pairwise preference model, parquet in and parquet out.

    The last line is JSON: responses, comparisons, tokens, seconds. Example:

    python -m training.ranking --preference-model models/pm --responses r.parquet --output s.parquet
    """
    settings = read_settings(RankingSettings, settings_file)
    chunks: list[pl.DataFrame] = []
    run = rank(
        pl.read_parquet(responses), preference_model, settings, dtype=dtype, commit=chunks.append
    )
    pl.concat(chunks).write_parquet(output)
    print(json.dumps(asdict(run)))


if __name__ == "__main__":
    run_command(main)
