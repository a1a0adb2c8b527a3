"""Verdicts on a benchmark's answers: a judge over HTTP on loopback, answers by a function."""

import math
from typing import Any

import polars as pl
import pytest

from training.benchmarks.verdict_requests import (
    VerdictRequest,
    add_repeats,
    request_verdicts,
    tabulate_requests,
)
from training.judging.benchmark_prompts import JudgePrompt
from training.settings.judge import JudgeSettings
from transforms.benchmarks.judged.verdict_table import VERDICTS, Verdicts
from transforms.lake.lake import Lake

FORMS = {
    form: JudgePrompt(form, form, (("user", "$first|$second"),))
    for form in ("rating", "choice", "five_way")
}


def request(form: str, first: str, second: str = "", **named: Any) -> VerdictRequest:
    named = {"item": first, "turn": 1, "shown_first": "model"} | named
    return VerdictRequest(
        subset="s", prompt=FORMS[form], places=(("first", first), ("second", second)), **named
    )


def said(text: str, finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    return {"message": {"content": text}, "finish_reason": finish_reason, **more}


def logprobs(**chances: float) -> dict[str, Any]:
    tops = [{"token": token, "logprob": math.log(chance)} for token, chance in chances.items()]
    return {"logprobs": {"content": [{"token": "m", "logprob": 0.0, "top_logprobs": tops}]}}


@pytest.fixture
def judged(serve_chat):
    """Ask requests of a judge that answers by a function; the rows, and the bodies sent."""

    def run(requests, answer, **settings):
        bodies: list[dict[str, Any]] = []

        def answering(body):
            bodies.append(body)
            return answer(*body["messages"][-1]["content"].split("|"))

        top = settings.pop("top_logprobs", 0)
        judge = JudgeSettings(address=serve_chat(answering), model="m", retries=0, **settings)
        chunks: list[pl.DataFrame] = []
        request_verdicts(
            requests,
            judge,
            "judge",
            dtype="float32",
            top_logprobs=top,
            commit=chunks.append,
            description="test",
        )
        return chunks, bodies

    return run


def by_item(chunks):
    return {row["item"]: row for row in pl.concat(chunks).to_dicts()}


def test_a_rating_is_read_and_what_is_none_has_no_verdict(judged):
    answers = {
        "good": said("Well done.\n[[8]]"),
        "silent": said("I cannot say."),
        "cut": said("[[3]] would be", "length"),
        "beyond": said("[[12]]"),
    }
    requests = [request("rating", item, shown_first=None) for item in answers]
    chunks, _ = judged(requests, lambda first, _: answers[first])
    rows = by_item(chunks)
    assert dict(chunks[0].schema) == VERDICTS
    assert {item: row["rating"] for item, row in rows.items()} == {
        "good": 8.0,
        "silent": None,
        "cut": None,
        "beyond": None,
    }
    assert rows["silent"]["raw_text"] == "I cannot say."
    assert all(row["error"] is None and row["share"] is None for row in rows.values())
    assert rows["good"]["prompt_version"] == FORMS["rating"].version


def test_a_share_is_the_models_whoever_is_shown_first(judged):
    requests = [
        request("five_way", "a", "b", item="shown first"),
        request("five_way", "b", "a", item="shown second", shown_first="baseline"),
    ]
    verdicts = {"a": "[[A>>B]]", "b": "[[B>A]]"}
    chunks, _ = judged(requests, lambda first, _: said(verdicts[first]))
    rows = by_item(chunks)
    assert {item: (row["verdict"], row["share"]) for item, row in rows.items()} == {
        "shown first": ("A>>B", 1.0),
        "shown second": ("B>A", 1.0),
    }
    assert not any(row["is_weighted"] for row in rows.values())


def test_token_probabilities_weigh_a_choice_where_they_come(judged):
    answers = {
        "weighted": said("m", "length", **logprobs(m=0.6, M=0.2, The=0.1)),
        "bare": said("M", "length"),
        "other words": said("The", "length"),
        "weighted other words": said("The", "length", **logprobs(The=0.5, M=0.3, m=0.1)),
    }
    requests = [request("choice", item, shown_first="baseline") for item in answers]
    chunks, bodies = judged(requests, lambda first, _: answers[first], max_tokens=1, top_logprobs=5)
    rows = by_item(chunks)
    assert bodies[0]["logprobs"] is True
    assert bodies[0]["top_logprobs"] == 5
    assert bodies[0]["max_tokens"] == 1
    found = {item: (row["verdict"], row["is_weighted"]) for item, row in rows.items()}
    assert found == {
        "weighted": ("m", True),
        "bare": ("M", False),
        "other words": (None, None),
        "weighted other words": (None, True),
    }
    # the baseline was shown first: it is m
    assert rows["weighted"]["share"] == pytest.approx(0.25)
    assert rows["bare"]["share"] == 1.0
    assert rows["weighted other words"]["share"] == pytest.approx(0.75)


def test_no_log_probabilities_are_asked_for_unless_wanted(judged):
    _, bodies = judged([request("choice", "a")], lambda *_: said("m"))
    assert "logprobs" not in bodies[0]
    assert "top_logprobs" not in bodies[0]
    assert bodies[0]["temperature"] == 0.0


def test_an_error_has_a_row_and_chunks_are_whole(judged):
    requests = [request("rating", f"i{number}") for number in range(5)]
    chunks, _ = judged(
        requests,
        lambda first, _: {"message": {}} if first == "i3" else said("[[5]]"),
        chunk_comparisons=2,
        concurrency=1,
    )
    assert [chunk.height for chunk in chunks] == [2, 2, 1]
    rows = by_item(chunks)
    assert rows["i3"]["error"].startswith("no chat completion")
    assert [row["rating"] for row in rows.values()] == [5.0, 5.0, 5.0, None, 5.0]


def test_some_items_are_asked_again_and_the_same_for_every_model():
    requests = [
        request("five_way", text, "b", item=f"i{number}", shown_first=side)
        for number in range(8)
        for side, text in (("model", f"{number}"), ("baseline", f"{number} too"))
    ]
    repeated = [*add_repeats(requests, items=3, repeats=2)]
    assert repeated[: len(requests)] == requests
    again = repeated[len(requests) :]
    assert len(again) == 3 * 2 * 2
    assert len({one.item for one in again}) == 3
    assert {one.repeat for one in again} == {1, 2}
    ids = {one.hash_request("judge") for one in repeated}
    assert len(ids) == len(repeated)
    assert {one.hash_request("judge") for one in repeated} == ids
    assert not ids & {one.hash_request("another judge") for one in repeated}
    others = add_repeats(requests[::-1], items=3, repeats=1)
    assert {one.item for one in others if one.repeat} == {one.item for one in again}
    assert [*add_repeats(requests, items=0, repeats=2)] == requests


def test_what_was_said_is_kept_and_the_rest_asked_again(judged, tmp_path):
    requests = [request("rating", item) for item in ("good", "failed", "silent", "old")]
    answers = {"good": said("[[5]]"), "failed": {}, "silent": said("?"), "old": said("[[1]]")}
    chunks, _ = judged(requests, lambda first, _: answers[first])
    constants = {
        "experiment": "shared",
        "iteration": 0,
        "model": "sft_policy",
        "policy_id": "p",
        "benchmark": "mt_bench",
        "benchmark_id": "b",
    }
    verdicts = Verdicts(Lake(tmp_path), constants)
    asked = tabulate_requests(requests[:3], "judge")
    good, failed, silent = asked["request_id"]
    assert verdicts.adopt_answers(asked) == {good, failed, silent}
    with verdicts.append_chunks() as append:
        append(pl.concat(chunks))
    # an error is asked again, an answer without a verdict is an answer
    assert verdicts.adopt_answers(asked) == {failed}
    assert Lake(tmp_path).read("benchmark_verdicts").height == 4
