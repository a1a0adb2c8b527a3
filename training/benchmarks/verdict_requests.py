"""Requests to a judge about a benchmark's answers, and its verdicts as rows, in chunks.

Not here: which requests a benchmark makes (`training.benchmarks.pairwise_task` and
`training.benchmarks.mt_bench_task`), how a judge is reached (`training.judging.judge`), the figures
of verdicts (`transforms.benchmarks.judged`).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import polars as pl
from tqdm import tqdm

from training.engine.background_commits import BackgroundCommits
from training.judging.benchmark_prompts import JudgePrompt
from training.judging.judge import open_judge
from training.judging.rubrics import Answer, Conversation
from training.settings.judge import JudgeSettings
from transforms.benchmarks.judged.alpaca_eval import compute_preference
from transforms.benchmarks.judged.verdict_table import VERDICTS
from transforms.benchmarks.judged.verdicts import FIRST_SHARES, read_verdict
from transforms.identity import digest

ONE_TOKEN = {"choice"}
"""Forms whose verdict is the first token, so that an answer that was cut is whole."""


@dataclass(frozen=True)
class VerdictRequest:
    """One request to a judge."""

    subset: str
    item: str
    turn: int
    shown_first: str | None
    """model | baseline: whose answer is shown first; None where one answer is rated."""
    prompt: JudgePrompt
    places: tuple[tuple[str, str], ...]
    """Text by place of the prompt."""
    repeat: int = 0
    """0 is the verdict that counts; 1, 2, ... ask the same again, for the judge's own noise."""

    @cached_property
    def conversation(self) -> Conversation:
        """The messages that are sent."""
        return self.prompt.fill(**dict(self.places))

    def request_id(self, judge_id: str) -> str:
        """Hash of all that is sent, of the judge, and of the repeat."""
        return digest(json.dumps([judge_id, self.repeat, self.conversation]))


def with_repeats(
    requests: Sequence[VerdictRequest], *, items: int, repeats: int
) -> Iterator[VerdictRequest]:
    """Give all requests, and those of some items again.

    Args:
        requests: repeat 0 of every request.
        items: how many items, those with the lowest hash: the same for every model.
        repeats: times that each of their requests is asked again.
    """
    yield from requests
    again = set(sorted({request.item for request in requests}, key=digest)[:items])
    for repeat in range(1, repeats + 1):
        for request in requests:
            if request.item in again:
                yield replace(request, repeat=repeat)


def ask(
    requests: Sequence[VerdictRequest],
    settings: JudgeSettings,
    judge_id: str,
    *,
    dtype: str,
    top_logprobs: int,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Have requests answered.

    Args:
        requests: what is asked.
        settings: the judge, and how it is asked.
        judge_id: its identity with these prompts.
        dtype: dtype of the weights of a judge that runs here.
        top_logprobs: log-probabilities of the likeliest first tokens to ask for; 0 for none. A
            verdict of the form `choice` is weighted by them where they come.
        commit: called in one background thread with rows of `VERDICTS`, `chunk_comparisons` at a
            time, in order of completion; what was answered before an error is committed, too.
        description: label of the progress bar.

    Raises:
        InputError: a server refuses the key, the address or the model.
    """
    if not requests:
        return
    ready: list[dict[str, Any]] = []
    with (
        open_judge(settings, dtype=dtype, top_logprobs=top_logprobs) as opened,
        BackgroundCommits(commit) as commits,
        tqdm(total=len(requests), desc=description, unit="verdict", disable=None) as bar,
    ):

        def put_chunk() -> None:
            rows = ready.copy()
            ready.clear()
            commits.put(lambda: pl.DataFrame(rows, schema=VERDICTS))

        try:
            for number, answer in opened.answer_requests(
                request.conversation for request in requests
            ):
                ready.append(_row(requests[number], judge_id, answer))
                bar.update()
                if len(ready) == settings.chunk_comparisons:
                    put_chunk()
        finally:
            if ready:
                put_chunk()


def _row(request: VerdictRequest, judge_id: str, answer: Answer) -> dict[str, Any]:
    form = request.prompt.form
    whole = answer.text is not None and (answer.finish_reason != "length" or form in ONE_TOKEN)
    verdict = read_verdict(answer.text, form) if whole else None
    rating = float(verdict) if verdict and form == "rating" else None
    weighted = None
    if form == "choice" and answer.top_logprobs:
        weighted = compute_preference(answer.top_logprobs, *FIRST_SHARES[form])
    first = weighted
    if first is None and verdict and form != "rating":
        first = FIRST_SHARES[form][verdict]
    share = first if first is None or request.shown_first == "model" else 1 - first
    return {
        "subset": request.subset,
        "item": request.item,
        "turn": request.turn,
        "shown_first": request.shown_first,
        "repeat": request.repeat,
        "request_id": request.request_id(judge_id),
        "judge_id": judge_id,
        "prompt": request.prompt.name,
        "prompt_version": request.prompt.version,
        "verdict": verdict,
        "rating": rating,
        "share": share,
        "is_weighted": None if share is None else weighted is not None,
        "raw_text": answer.text,
        "finish_reason": answer.finish_reason,
        "error": answer.error,
        "elapsed_s": answer.elapsed_s,
    }
