"""Answers to a benchmark's questions, of one turn or several, sampled from a policy.

Not here: the engine (`training.engine.sampler`), the questions (`transforms.benchmarks.judged`).
"""

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from training.engine.sampler import Sampler
from training.settings.sampling import SamplingSettings
from transforms.benchmarks.answer_table import ANSWERS
from transforms.lake.schemas.table import MESSAGES
from transforms.sources.layouts.conversations import append_response, join_conversations, make_turn


def answer_questions(
    policy: Path,
    questions: pl.DataFrame,
    sampling: SamplingSettings,
    *,
    seed: int,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str,
    gpus: int = 1,
) -> None:
    """Sample a policy's answers; the prompt of a later turn contains the answers before it.

    Args:
        policy: folder of the checkpoint.
        questions: the columns of `answer_table.REQUESTS`, turns (the user's texts, one per turn),
            temperature (of the answers); all with the same number of turns.
        sampling: limits of an answer and of the context, placement, `chunk_prompts` items per
            commit.
        seed: seed of the engine.
        dtype: compute type.
        commit: called with `ANSWERS` of `chunk_prompts` items at a time. The answer is the text, or
            a JSON list of texts for several turns; finish_reason is `length` if any turn was cut.
        description: label of the progress bar.
        gpus: GPUs that share the model.

    Raises:
        InputError: a prompt leaves no room for max_tokens in the context; the error gives its item.
    """
    turns = questions["turns"].list.len().unique().to_list()
    if not turns:
        return
    (count,) = turns
    with Sampler(policy, sampling, seed=seed, dtype=dtype, gpus=gpus) as sampler:
        for (temperature,), group in questions.group_by("temperature", maintain_order=True):
            how = sampling.model_copy(
                update={"n": 1, "samplers": (), "temperature": temperature, "top_p": 1.0}
            )
            # one turn: all questions at once; several turns: each chunk finishes all its turns
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
    """Answer all turns of the questions; answers to the last turn are committed in chunks."""
    state = questions.with_columns(
        prompt=pl.lit([], MESSAGES), answers=pl.lit([], pl.List(pl.String)), was_cut=pl.lit(False)
    )
    for number in range(turns - 1):
        answered: list[pl.DataFrame] = []
        label = f"{description}, turn {number + 1} of {turns}"
        _ask(sampler, state, number, sampling, answered.append, label)
        state = pl.concat(answered)
    label = description if turns == 1 else f"{description}, turn {turns} of {turns}"
    _ask(sampler, state, turns - 1, sampling, lambda rows: commit(_build_rows(rows, turns)), label)


def _ask(
    sampler: Sampler,
    state: pl.DataFrame,
    number: int,
    sampling: SamplingSettings,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Sample one turn of every question; `commit` gets the rows of `state` with its answer."""
    question = make_turn("user", pl.col("turns").list.get(number))
    asked = state.with_columns(prompt=join_conversations(pl.col("prompt"), question))

    def add_answer(rows: pl.DataFrame) -> pl.DataFrame:
        answers = rows.select("response", "finish_reason", item="prompt_id")
        return (
            asked.join(answers, on="item")
            .with_columns(
                prompt=append_response(pl.col("prompt"), pl.col("response")),
                answers=pl.concat_list("answers", "response"),
                was_cut=pl.col("was_cut") | (pl.col("finish_reason") == "length"),
            )
            .select(state.columns)
        )

    sampler.sample(
        asked.select("prompt", prompt_id="item"),
        sampling,
        commit=lambda rows: commit(add_answer(rows)),
        description=description,
    )


def _build_rows(state: pl.DataFrame, turns: int) -> pl.DataFrame:
    answers = state["answers"].to_list()
    texts = [texts[0] if turns == 1 else json.dumps(texts, ensure_ascii=False) for texts in answers]
    cut = pl.when("was_cut").then(pl.lit("length")).otherwise(pl.lit("stop"))
    rows = state.with_columns(answer=pl.Series(texts, dtype=pl.String), finish_reason=cut)
    absent = [pl.lit(None, ANSWERS[name]).alias(name) for name in ("extracted", "score", "scores")]
    return rows.with_columns(absent).select(list(ANSWERS))
