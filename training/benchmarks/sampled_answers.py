"""Answers to a benchmark's questions, of one turn or several, sampled from a policy.

Lives here: questions in, rows of `benchmark_answers` out, in chunks. Not here: the engine
(`training.engine.sampler`), which questions there are (`transforms.benchmarks.judged`).
"""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.engine.sampler import Sampler
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import ANSWERS
from transforms.lake.schemas.columns import MESSAGES
from transforms.sources.layouts.conversations import append_response, join_conversations, make_turn

QUESTIONS = {
    "subset": pl.String,
    "item": pl.String,
    "repeat": pl.Int32,
    "request_id": pl.String,
    "turns": pl.List(pl.String),
    "temperature": pl.Float64,
}
"""One row per item: the texts of the user, turn by turn, and the temperature of the answers."""


def answer_questions(
    policy: Path,
    questions: pl.DataFrame,
    sampling: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Have a policy answer questions; a later turn's prompt holds the answers before it.

    Args:
        policy: its folder.
        questions: `QUESTIONS`, all with as many turns.
        sampling: limits of an answer and of the context, placement, `chunk_prompts` items per
            commit.
        seed: of the engine.
        dtype: compute type.
        commit: called with `ANSWERS` of `chunk_prompts` items at a time. The answer is the text,
            or of several turns a JSON list of texts; it was `length` where any turn was cut.
        description: label of the progress bar.

    Raises:
        InputError: a prompt leaves no room for max_tokens in the context; it is named.
    """
    turns = questions["turns"].list.len().unique().to_list()
    if not turns:
        return
    (count,) = turns
    with Sampler(policy, sampling, seed=seed, dtype=dtype) as sampler:
        for (temperature,), group in questions.group_by("temperature", maintain_order=True):
            how = sampling.model_copy(
                update={"n": 1, "samplers": (), "temperature": temperature, "top_p": 1.0}
            )
            # one turn is fed without a pause; of several a chunk goes through all its turns
            size = group.height if count == 1 else sampling.chunk_prompts
            for portion in group.iter_slices(size):
                _answer(sampler, portion, how, count, commit, f"{description}: T = {temperature}")


def _answer(
    sampler: Sampler,
    questions: pl.DataFrame,
    sampling: SamplingSettings,
    turns: int,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Take questions through all their turns; the last one's answers are committed as they come."""
    held = questions.with_columns(
        prompt=pl.lit([], MESSAGES), answers=pl.lit([], pl.List(pl.String)), was_cut=pl.lit(False)
    )
    for number in range(turns - 1):
        given: list[pl.DataFrame] = []
        label = f"{description}, turn {number + 1} of {turns}"
        _ask(sampler, held, number, sampling, given.append, label)
        held = pl.concat(given)
    label = description if turns == 1 else f"{description}, turn {turns} of {turns}"
    _ask(sampler, held, turns - 1, sampling, lambda rows: commit(_rows(rows, turns)), label)


def _ask(
    sampler: Sampler,
    held: pl.DataFrame,
    number: int,
    sampling: SamplingSettings,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Ask one turn of every question; `commit` gets the rows of `held` with its answer added."""
    said = make_turn("user", pl.col("turns").list.get(number))
    asked = held.with_columns(prompt=join_conversations(pl.col("prompt"), said))

    def with_answer(rows: pl.DataFrame) -> pl.DataFrame:
        answers = rows.select("response", "finish_reason", item="prompt_id")
        return (
            asked.join(answers, on="item")
            .with_columns(
                prompt=append_response(pl.col("prompt"), pl.col("response")),
                answers=pl.concat_list("answers", "response"),
                was_cut=pl.col("was_cut") | (pl.col("finish_reason") == "length"),
            )
            .select(held.columns)
        )

    sampler.sample(
        asked.select("prompt", prompt_id="item"),
        sampling,
        commit=lambda rows: commit(with_answer(rows)),
        description=description,
    )


def _rows(held: pl.DataFrame, turns: int) -> pl.DataFrame:
    answers = held["answers"].to_list()
    texts = [texts[0] if turns == 1 else json.dumps(texts, ensure_ascii=False) for texts in answers]
    cut = pl.when("was_cut").then(pl.lit("length")).otherwise(pl.lit("stop"))
    rows = held.with_columns(answer=pl.Series(texts, dtype=pl.String), finish_reason=cut)
    absent = [pl.lit(None, ANSWERS[name]).alias(name) for name in ("extracted", "score", "scores")]
    return rows.with_columns(absent).select(list(ANSWERS))
