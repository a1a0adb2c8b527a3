"""Judgments of a chat model that compares two responses by a rubric, in both orders.

Holds a judge's identity, its opening and its judgments in chunks. Not here: the two kinds of judge
(`training.judging.local_judge`, `training.judging.remote_judge`), requests and verdicts
(`training.judging.rubrics`), rewards (`training.judging.judge_ranker`,
`transforms.pairs.judgments`). Imports torch only for a judge that runs in this process.
Source: Dong et al. 2024 (arXiv 2405.07863), Table 2, rows "Prompting"; both orders as in Zheng et
al. 2023 (arXiv 2306.05685), section 3.4.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import polars as pl
from tqdm import tqdm

from training.engine.background_commits import BackgroundCommits
from training.judging.remote_judge import open_remote_judge
from training.judging.rubrics import Answer, Judge, build_request, parse_verdict, read_rubric
from training.settings.judge import JudgeSettings
from transforms.identity import digest_settings
from transforms.lake.schemas import schema_of
from transforms.pairs.judgments import ORDERS

PORTION = 4096
"""Comparisons whose requests are in memory at once."""


@dataclass(frozen=True)
class JudgeRun:
    """Counts of a run. An answer may be unparseable, or missing (the row then holds the error)."""

    comparisons: int
    unparseable: int
    unanswered: int
    elapsed_s: float


def describe_judge(settings: JudgeSettings, *, dtype: str) -> pl.DataFrame:
    """Identify the judge of the settings with its rubric, as `identify_judge` does.

    Raises:
        InputError: no such model or rubric.
    """
    return identify_judge(settings, settings.rubric, read_rubric(settings.rubric), dtype=dtype)


def identify_judge(
    settings: JudgeSettings, rubric: str, rubric_text: str, *, dtype: str, top_logprobs: int = 0
) -> pl.DataFrame:
    """Identify a judge: its row of the table `judges`.

    `judge_id` hashes everything that an answer depends on: model, rubric text, settings. Key and
    time-out are not part of it.

    Raises:
        InputError: no such model.
    """
    asked: dict[str, Any] = {
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
    }
    if top_logprobs:
        asked["top_logprobs"] = top_logprobs
    if settings.path is None:
        model = settings.model
    else:
        from training.judging.local_judge import find_judge_folder
        from training.models.checkpoint import hash_checkpoint

        model = hash_checkpoint(find_judge_folder(settings))
        asked |= {"dtype": dtype}
    identity = {
        "model": model,
        "address": settings.address,
        "rubric": rubric,
        "rubric_text": rubric_text,
        "settings": json.dumps(asked, sort_keys=True),
    }
    row = {
        "judge_id": digest_settings(identity),
        **identity,
        "max_unparsed_share": settings.max_unparsed_share,
    }
    return pl.DataFrame([row], schema=schema_of("judges"))


def judge(
    comparisons: pl.DataFrame,
    settings: JudgeSettings,
    *,
    dtype: str,
    commit: Callable[[pl.DataFrame], None],
    description: str = "judgments",
) -> JudgeRun:
    """Judge comparisons in both orders.

    Args:
        comparisons: comparison_id (unique), prompt (messages), first, second (texts).
        settings: the judge, its rubric, its sampling.
        dtype: dtype of the weights of a model that runs here.
        commit: called in one background thread with rows of `judgments`, both orders of
            `chunk_comparisons` comparisons at a time, in order of completion; within a chunk in
            the order of `comparisons`, `first` shown as A before `second`. Its error is raised
            here.
        description: text of the progress bar.

    Raises:
        InputError: as in `describe_judge`; or a server refuses the key, the address or the model.
    """
    named = describe_judge(settings, dtype=dtype)
    if comparisons.is_empty():
        return JudgeRun(0, 0, 0, 0.0)
    with (
        open_judge(settings, dtype=dtype) as opened,
        tqdm(total=comparisons.height, desc=description, unit="comparison", disable=None) as bar,
    ):
        return judge_with(opened, named, comparisons, commit, bar)


def open_judge(
    settings: JudgeSettings, *, dtype: str, top_logprobs: int = 0
) -> AbstractContextManager[Judge]:
    """Open the judge of the settings: an engine in this process, or a client of a server.

    Args:
        settings: the judge.
        dtype: dtype of the weights of a model that runs here.
        top_logprobs: log-probabilities of the likeliest first tokens to ask for; 0 asks for none.
    """
    if settings.path is None:
        return open_remote_judge(settings, top_logprobs=top_logprobs)
    from training.judging.local_judge import open_local_judge

    return open_local_judge(settings, dtype=dtype, top_logprobs=top_logprobs)


def judge_with(
    opened: Judge,
    named: pl.DataFrame,
    comparisons: pl.DataFrame,
    commit: Callable[[pl.DataFrame], None],
    bar: tqdm | None = None,
) -> JudgeRun:
    """Judge by an open judge; a comparison is committed once both its orders are answered."""
    started, unparseable, unanswered = time.perf_counter(), 0, 0
    constants = named.select("judge_id", "rubric").row(0, named=True)
    ready: dict[int, list[dict[str, Any]]] = {}

    with BackgroundCommits(commit) as commits:

        def put_chunk() -> None:
            rows = [row | constants for number in sorted(ready) for row in ready[number]]
            ready.clear()
            commits.put(lambda: _frame(rows))

        for portion in comparisons.iter_slices(PORTION):
            try:
                for number, both in _answered(opened, named.item(0, "rubric_text"), portion):
                    ready[number] = both
                    unparseable += sum(row["verdict"] == "unparseable" for row in both)
                    unanswered += sum(row["verdict"] is None for row in both)
                    if bar is not None:
                        bar.update()
                    if len(ready) == opened.settings.chunk_comparisons:
                        put_chunk()
            finally:
                if ready:  # answers that came before an error are kept
                    put_chunk()
    elapsed_s = time.perf_counter() - started
    return JudgeRun(comparisons.height, unparseable, unanswered, elapsed_s)


def _answered(
    opened: Judge, rubric: str, comparisons: pl.DataFrame
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield each comparison's number and its two rows, when the second of them is answered."""
    ids = comparisons["comparison_id"].to_list()
    conversations = (
        build_request(rubric, prompt, *texts)
        for _, prompt, first, second in comparisons.select(
            "comparison_id", "prompt", "first", "second"
        ).iter_rows()
        for texts in ((first, second), (second, first))
    )
    halves: dict[int, dict[int, Answer]] = {}
    for number, answer in opened.answers(conversations):
        comparison, order = divmod(number, len(ORDERS))
        answers = halves.setdefault(comparison, {})
        answers[order] = answer
        if len(answers) == len(ORDERS):
            del halves[comparison]
            yield (
                comparison,
                [
                    {
                        "comparison_id": ids[comparison],
                        "a_is": a_is,
                        "verdict": parse_verdict(answers[place]),
                        "raw_text": answers[place].text,
                        "finish_reason": answers[place].finish_reason,
                        "error": answers[place].error,
                        "elapsed_s": answers[place].elapsed_s,
                    }
                    for place, a_is in enumerate(ORDERS)
                ],
            )


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema_of("judgments"))
