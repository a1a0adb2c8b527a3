"""A judge behind an address: real HTTP on loopback, answers by script."""

import logging
import re
import threading
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from tests.training.judging.judge_server import KEY, settings_of
from training.judging import first_answers, remote_judge
from training.judging.judge import describe_judge, judge
from training.settings.judge import JudgeSettings
from transforms.errors import InputError
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import MESSAGES


def comparisons(*texts: tuple[str, str]) -> pl.DataFrame:
    rows = [
        (f"c{number:03}", [{"role": "user", "content": "Say something."}], first, second)
        for number, (first, second) in enumerate(texts)
    ]
    schema = {"comparison_id": pl.String, "prompt": MESSAGES}
    return pl.DataFrame(
        rows, schema=schema | {"first": pl.String, "second": pl.String}, orient="row"
    )


def judged(rows: pl.DataFrame, settings: JudgeSettings) -> tuple[pl.DataFrame, Any]:
    chunks: list[pl.DataFrame] = []
    run = judge(rows, settings, dtype="float32", commit=chunks.append)
    return pl.concat(chunks), run


def test_the_pauses_are_1_2_4_seconds():
    assert [remote_judge.FIRST_PAUSE_S * 2**i for i in range(3)] == [1.0, 2.0, 4.0]


def test_good_and_bad_answers_each_have_their_row(server):
    rows = comparisons(
        ("long answer", "short"),
        ("nonsense", "x"),
        ("fails twice", "longer than that"),
        ("hangs up", "x"),
        ("refused for good", "x"),
        ("not json", "x"),
        ("no choices", "x"),
        ("no text", "x"),
        ("cut short", "x"),
        ("same", "size"),
    )
    found, run = judged(rows, settings_of(server))
    assert dict(found.schema) == schema_of("judgments")
    keys = [(f"c{i:03}", a_is) for i in range(10) for a_is in ("first", "second")]
    assert found.select("comparison_id", "a_is").rows() == keys
    verdicts = [tuple(pair) for pair in found["verdict"].reshape((10, 2)).to_list()]
    unparseable, unanswered = ("unparseable",) * 2, (None, None)
    assert verdicts == [
        ("A", "B"),
        unparseable,
        ("B", "A"),
        *[unanswered] * 5,
        unparseable,
        ("tie", "tie"),
    ]
    assert (run.comparisons, run.unparseable, run.unanswered) == (10, 4, 10)
    errors = found["error"].to_list()[::2]
    assert [error is None for error in errors] == [v != unanswered for v in verdicts]
    assert re.match(r"RemoteProtocolError: .* \(3 times\)$", errors[3])
    assert errors[4] == "HTTP 400: too long for Bearer ***"
    assert errors[5:7] == [
        "no chat completion: HTTP 200: <html>",
        'no chat completion: HTTP 200: {"choices": []}',
    ]
    assert errors[7].startswith("an answer without text: HTTP 200")
    texts = found["raw_text"].to_list()
    assert texts[2:4] == ["I like both very much."] * 2
    assert [text is None for text in texts] == [verdict is None for verdict in found["verdict"]]
    assert found["elapsed_s"].min() > 0
    tried = {shown: len(times) for shown, times in server.arrivals.items()}
    assert tried["fails twice|longer than that"] == 3
    assert tried["hangs up|x"] == 3
    assert tried["refused for good|x"] == tried["not json|x"] == tried["nonsense|x"] == 1


def test_pauses_double(server):
    judged(comparisons(("fails twice", "x")), settings_of(server))
    for first, second, third in server.arrivals.values():
        assert second - first >= 0.05
        assert third - second >= 0.1


def test_a_slow_answer_is_asked_for_again_and_silence_has_a_row(server):
    rows = comparisons(("hangs once", "x"), ("never", "x"), ("long answer", "x"))
    found, run = judged(rows, settings_of(server, timeout_s=1.0, retries=1))
    assert found["verdict"].to_list() == ["A", "B", None, None, "A", "B"]
    assert found["error"].to_list()[2:4] == ["no answer within 1 s (2 times)"] * 2
    assert run.unanswered == 2
    # without retries, too
    found, _ = judged(comparisons(("never", "x")), settings_of(server, timeout_s=0.3, retries=0))
    assert found["error"].to_list() == ["no answer within 0.3 s"] * 2


def test_nobody_at_the_address_has_rows_too(server):
    nobody = settings_of(server, address="http://127.0.0.1:9/v1", retries=0)
    found, run = judged(comparisons(("a", "b")), nobody)
    assert all(error.startswith("ConnectError") for error in found["error"])
    assert run.unanswered == 2


def test_never_more_requests_at_a_time_than_allowed(server):
    server.meet = threading.Barrier(3)  # every request waits until three are there
    rows = comparisons(*[(f"first {i}", f"second {i}") for i in range(9)])
    _, run = judged(rows, settings_of(server, concurrency=3))
    assert (run.comparisons, run.unanswered, server.most_inside) == (9, 0, 3)


def test_what_is_sent(server):
    judged(comparisons(("a", "b")), settings_of(server))
    for sent in server.requests:
        assert sent["path"] == "/v1/chat/completions"
        assert sent["headers"]["Authorization"] == f"Bearer {KEY}"
        assert (sent["body"]["model"], sent["body"]["max_tokens"]) == ("m", 64)
        assert sent["body"]["temperature"] == 0


def test_the_key_comes_from_the_named_variable_and_goes_nowhere_else(server, caplog, monkeypatch):
    caplog.set_level("DEBUG")
    for name in logging.root.manager.loggerDict:  # vLLM's configuration disables those it finds
        monkeypatch.setattr(logging.getLogger(name), "disabled", False)
    settings = settings_of(server)
    found, _ = judged(comparisons(("refused for good", "x"), ("a", "bb")), settings)
    with pytest.raises(InputError, match=r"(?s)HTTP 401: no such key.*variable JUDGE_KEY") as error:
        judged(comparisons(("wrong key", "x")), settings)
    row = describe_judge(settings, dtype="float32")
    for place in (found.write_json(), str(error.value), row.write_json(), caplog.text):
        assert KEY not in place
    assert "chat/completions" in caplog.text
    monkeypatch.delenv("JUDGE_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    judged(comparisons(("no key", "here")), settings)
    assert server.requests[-1]["headers"]["Authorization"] is None


def test_chunks_hold_whole_comparisons_and_nothing_is_lost(server):
    rows = comparisons(*[("a" * (1 + i % 3), f"{i}") for i in range(13)])
    chunks: list[pl.DataFrame] = []
    settings = settings_of(server, chunk_comparisons=5)
    judge(rows, settings, dtype="float32", commit=chunks.append)
    assert [chunk.height for chunk in chunks] == [10, 10, 6]
    for chunk in chunks:
        assert chunk.group_by("comparison_id").len()["len"].unique().to_list() == [2]
        assert chunk["comparison_id"].is_sorted()
    assert pl.concat(chunks)["comparison_id"].n_unique() == 13


def test_an_error_of_a_commit_is_raised(server):
    def refuse(rows: pl.DataFrame) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        judge(comparisons(("a", "b")), settings_of(server), dtype="float32", commit=refuse)


def test_what_was_answered_before_a_refusal_is_kept(server):
    rows = comparisons(("a", "bb"), ("cc", "d"), ("wrong key", "x"), ("e", "ff"))
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError, match="HTTP 401"):
        judge(rows, settings_of(server, concurrency=1), dtype="float32", commit=chunks.append)
    assert pl.concat(chunks)["comparison_id"].to_list() == ["c000"] * 2 + ["c001"] * 2


def test_a_judge_that_gives_hardly_any_verdict_stops_the_run_early(server, monkeypatch):
    monkeypatch.setattr(first_answers, "ANSWERS", 6)
    rows = comparisons(("hangs up", "x"), *[("nonsense", "x")] * 9)
    settings = settings_of(server, concurrency=1, retries=0)
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError, match=r"(?s)10% of the first 6.*none in 6.*very much"):
        judge(rows, settings, dtype="float32", commit=chunks.append)
    assert pl.concat(chunks).height == 8


def test_a_judge_is_identified_by_what_its_answers_depend_on(server):
    def judge_id(**changes: Any) -> str:
        return describe_judge(settings_of(server, **changes), dtype="float32").item(0, "judge_id")

    same = {"timeout_s": 1.0, "retries": 0, "concurrency": 1, "chunk_comparisons": 1}
    same |= {"max_unparsed_share": 0.5}
    assert judge_id(**same, api_key_variable="OTHER") == judge_id()
    others = [{"model": "n"}, {"rubric": "overall"}, {"max_tokens": 65}, {"address": "http://b"}]
    assert len({judge_id(), *[judge_id(**other) for other in others]}) == 5


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"path": "p", "address": "http://a", "model": "m"},
        {"path": "p", "model": "m"},
        {"address": "http://a"},
        {"model": "m"},
        {"address": "http://a", "model": "m", "revision": "main"},
    ],
)
def test_settings_that_name_no_judge_or_two_are_refused(named):
    with pytest.raises(ValidationError, match=r"set exactly one judge: path .*, or address and"):
        JudgeSettings(**named)


def test_settings_without_room_for_a_request_are_refused():
    with pytest.raises(ValidationError, match="max_tokens 512 leaves no room"):
        JudgeSettings(path="p", max_context_tokens=512)


def test_no_comparisons_ask_nobody(server):
    run = judge(comparisons(), settings_of(server), dtype="float32", commit=pytest.fail)
    assert (run.comparisons, server.requests) == (0, [])
