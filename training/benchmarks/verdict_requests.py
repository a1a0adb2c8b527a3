"""Requests to a judge about a benchmark's answers, and rows of its verdicts.

Not here: the requests of each benchmark (`training.benchmarks.pairwise_task`,
`training.benchmarks.mt_bench_task`), opening a judge (`training.judging.judge`), figures
(`transforms.benchmarks.judged`).
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
from transforms.benchmarks.judged.thoughts import drop_thoughts
from transforms.benchmarks.judged.verdict_table import REQUESTS, VERDICTS
from transforms.benchmarks.judged.verdicts import FIRST_SHARES, read_verdict
from transforms.identity import digest

ONE_TOKEN = {"choice"}
"""Forms whose verdict is the first token: an answer that was cut after it is complete."""


@dataclass(frozen=True)
class VerdictRequest:
    """One request to a judge."""

    subset: str
    item: str
    turn: int
    shown_first: str | None
    """model | baseline: whose answer is shown first; None if a single answer is rated."""
    prompt: JudgePrompt
    places: tuple[tuple[str, str], ...]
    """Placeholders of the prompt, each with its text."""
    repeat: int = 0
    """0 is used in scores; 1, 2, ... repeat the request to measure the judge's noise."""

    @cached_property
    def conversation(self) -> Conversation:
        """The messages of the request."""
        return self.prompt.fill(**dict(self.places))

    def hash_request(self, judge_id: str) -> str:
        """Return `request_id`: a hash of the judge, the repeat and the messages."""
        return digest(json.dumps([judge_id, self.repeat, self.conversation]))


def add_repeats(
    requests: Sequence[VerdictRequest], *, items: int, repeats: int
) -> Iterator[VerdictRequest]:
    """Yield all requests, then repeats of the requests of some items.

    Args:
        requests: repeat 0 of every request.
        items: number of items to repeat, those with the lowest hash: the same for every model.
        repeats: number of repeats of each of their requests.
    """
    yield from requests
    again = set(sorted({request.item for request in requests}, key=digest)[:items])
    for repeat in range(1, repeats + 1):
        for request in requests:
            if request.item in again:
                yield replace(request, repeat=repeat)


def tabulate_requests(requests: Sequence[VerdictRequest], judge_id: str) -> pl.DataFrame:
    """Return the requests to a judge as rows of `verdict_table.REQUESTS`, in their order."""
    return pl.DataFrame([_identify(request, judge_id) for request in requests], schema=REQUESTS)


def _identify(request: VerdictRequest, judge_id: str) -> dict[str, Any]:
    return {
        "subset": request.subset,
        "item": request.item,
        "turn": request.turn,
        "shown_first": request.shown_first,
        "repeat": request.repeat,
        "request_id": request.hash_request(judge_id),
    }


def request_verdicts(
    requests: Sequence[VerdictRequest],
    settings: JudgeSettings,
    judge_id: str,
    *,
    dtype: str,
    top_logprobs: int,
    commit: Callable[[pl.DataFrame], None],
    description: str,
) -> None:
    """Send requests to a judge, and commit its verdicts.

    Args:
        requests: the requests.
        settings: the judge.
        judge_id: its identity with these prompts.
        dtype: dtype of the weights of a judge in this process.
        top_logprobs: number of most likely first tokens whose log-probabilities are requested. If
            the judge returns them, a verdict of the form `choice` is weighted by them.
        commit: called in one background thread with rows of `VERDICTS`, `chunk_comparisons` at a
            time, in order of completion; answers before an error are committed, too.
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
                ready.append(_build_row(requests[number], judge_id, answer))
                bar.update()
                if len(ready) == settings.chunk_comparisons:
                    put_chunk()
        finally:
            if ready:
                put_chunk()


def _build_row(request: VerdictRequest, judge_id: str, answer: Answer) -> dict[str, Any]:
    form, verdict = request.prompt.form, None
    if answer.text is not None and (answer.finish_reason != "length" or form in ONE_TOKEN):
        verdict = read_verdict(answer.text, form)
    rating = float(verdict) if verdict and form == "rating" else None
    weighted = None
    # the first token of an answer with a thought is no verdict
    if form == "choice" and answer.top_logprobs and drop_thoughts(answer.text or "") == answer.text:
        weighted = compute_preference(answer.top_logprobs, *FIRST_SHARES[form])
    first = weighted
    if first is None and verdict and form != "rating":
        first = FIRST_SHARES[form][verdict]
    share = first if first is None or request.shown_first == "model" else 1 - first
    return {
        **_identify(request, judge_id),
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
