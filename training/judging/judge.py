"""Judgments of a chat model that compares two responses by a rubric, in both orders.

Also the identity of a judge, and opening one. Not here: the two kinds of judge
(`training.judging.local_judge`, `training.judging.remote_judge`), replicas of the first
(`training.judging.judge_processes`), requests and verdicts
(`training.judging.rubrics`), rewards (`training.judging.judge_ranker`,
`transforms.pairs.judgments`). Imports torch only for a judge that runs in this process.
Source: Dong et al. 2024 (arXiv 2405.07863), Table 2, rows "Prompting"; both orders as in Zheng et
al. 2023 (arXiv 2306.05685), section 3.4.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import polars as pl
from tqdm import tqdm

from training.engine.background_commits import BackgroundCommits
from training.judging.first_answers import FirstAnswers
from training.judging.remote_judge import open_remote_judge
from training.judging.rubrics import Answer, Judge, build_request, parse_verdict, read_rubric
from training.settings.judge import JudgeSettings
from transforms.identity import digest_settings
from transforms.lake.schemas import schema_of
from transforms.pairs.judgments import ORDERS

PORTION = 4096
"""Number of comparisons whose requests are in memory at the same time."""


@dataclass(frozen=True)
class JudgeRun:
    """Counts of a run. An unparseable answer contains no verdict; an unanswered request failed."""

    comparisons: int
    unparseable: int
    unanswered: int
    elapsed_s: float


def describe_judge(settings: JudgeSettings, *, dtype: str) -> pl.DataFrame:
    """Build the row of `judges` for the judge and the rubric of the settings.

    Raises:
        InputError: no such model or rubric.
    """
    return identify_judge(settings, settings.rubric, read_rubric(settings.rubric), dtype=dtype)


def identify_judge(
    settings: JudgeSettings, rubric: str, rubric_text: str, *, dtype: str, top_logprobs: int = 0
) -> pl.DataFrame:
    """Build the row of the table `judges` for a judge with a rubric text.

    `judge_id` is a hash of everything that affects an answer: model, rubric text, settings. It does
    not cover the key and the time limit.

    Raises:
        InputError: no such model.
    """
    sampling: dict[str, Any] = {
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
    }
    if top_logprobs:
        sampling["top_logprobs"] = top_logprobs
    if settings.max_tokens_field != "max_tokens":
        sampling["max_tokens_field"] = settings.max_tokens_field
    if settings.extra_fields:
        sampling["extra_fields"] = settings.extra_fields
    if settings.path is None:
        model = settings.model
    else:
        from training.judging.local_judge import find_judge_folder
        from training.models.checkpoint import hash_checkpoint, hash_model_files

        folder = find_judge_folder(settings.path, settings.revision)
        model = hash_checkpoint(folder)
        # the id of a checkpoint does not cover its config, which decides answers, too
        sampling |= {"dtype": dtype, "files": digest_settings(hash_model_files(folder))}
    identity = {
        "model": model,
        "address": settings.address,
        "rubric": rubric,
        "rubric_text": rubric_text,
        "settings": json.dumps(sampling, sort_keys=True),
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
            the order of `comparisons`, with the row that shows `first` as A before the other one.
            Its errors are raised here.
        description: label of the progress bar.

    Raises:
        InputError: as in `describe_judge`, or a server refuses the key, the address or the model.
    """
    identity = describe_judge(settings, dtype=dtype)
    if comparisons.is_empty():
        return JudgeRun(0, 0, 0, 0.0)
    with (
        open_judge(settings, dtype=dtype) as opened,
        tqdm(total=comparisons.height, desc=description, unit="comparison", disable=None) as bar,
    ):
        return judge_with(opened, identity, comparisons, commit, FirstAnswers(settings), bar)


def open_judge(
    settings: JudgeSettings, *, dtype: str, top_logprobs: int = 0
) -> AbstractContextManager[Judge]:
    """Open the judge of the settings: an engine here, replicas of it, or a client of a server.

    Args:
        settings: the judge.
        dtype: dtype of the weights of a model that runs here.
        top_logprobs: how many of the most likely first tokens to request log-probabilities for.
    """
    if settings.path is None:
        return open_remote_judge(settings, top_logprobs=top_logprobs)
    if settings.devices is not None and settings.devices.in_processes:
        from training.judging.judge_processes import open_judge_processes

        return open_judge_processes(settings, dtype=dtype, top_logprobs=top_logprobs)
    from training.judging.local_judge import open_local_judge

    return open_local_judge(settings, dtype=dtype, top_logprobs=top_logprobs)


def judge_with(
    opened: Judge,
    identity: pl.DataFrame,
    comparisons: pl.DataFrame,
    commit: Callable[[pl.DataFrame], None],
    first: FirstAnswers,
    bar: tqdm | None = None,
) -> JudgeRun:
    """Judge with an open judge; a comparison is committed after both its orders are answered.

    Raises:
        InputError: hardly any of the run's first answers contains a verdict.
    """
    started, verdicts = time.perf_counter(), Counter[str | None]()
    constants = identity.select("judge_id", "rubric").row(0, named=True)
    ready: dict[int, list[dict[str, Any]]] = {}

    with BackgroundCommits(commit) as commits:

        def put_chunk() -> None:
            rows = [row | constants for number in sorted(ready) for row in ready[number]]
            ready.clear()
            commits.put(lambda: pl.DataFrame(rows, schema=schema_of("judgments")))

        for portion in comparisons.iter_slices(PORTION):
            try:
                for number, both in _pair_answers(opened, identity.item(0, "rubric_text"), portion):
                    ready[number] = both
                    if bar is not None:
                        bar.update()
                    verdicts.update(row["verdict"] for row in both)
                    first.add(both)
                    if len(ready) == opened.settings.chunk_comparisons:
                        put_chunk()
            finally:
                if ready:  # answers before an error are kept
                    put_chunk()
    elapsed_s = time.perf_counter() - started
    return JudgeRun(comparisons.height, verdicts["unparseable"], verdicts[None], elapsed_s)


def _pair_answers(
    opened: Judge, rubric: str, comparisons: pl.DataFrame
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield the number of each comparison and its two rows, after its second answer."""
    ids = comparisons["comparison_id"].to_list()
    conversations = (
        build_request(rubric, prompt, *texts)
        for _, prompt, first, second in comparisons.select(
            "comparison_id", "prompt", "first", "second"
        ).iter_rows()
        for texts in ((first, second), (second, first))
    )
    halves: dict[int, dict[int, Answer]] = {}
    for number, answer in opened.answer_requests(conversations):
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
