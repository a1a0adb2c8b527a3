"""Verdicts are only appended, and an answer serves every model that needs it."""

import polars as pl
import pytest

from transforms.benchmarks.judged.verdict_table import REQUESTS, TABLE, VERDICTS, Verdicts
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.query import connect, query

MODEL = {
    "experiment": "shared",
    "iteration": 0,
    "model": "sft_policy",
    "benchmark": "b",
    "policy_id": "p",
    "benchmark_id": "i",
}


def requests(*ids: str, **other) -> pl.DataFrame:
    rows = [
        {"subset": "s", "item": id_, "turn": 1, "shown_first": "model", "repeat": 0, **other}
        for id_ in ids
    ]
    return pl.DataFrame(rows, schema=REQUESTS).with_columns(request_id=pl.Series(ids))


def answers(asked: pl.DataFrame, share: float | None = 1.0, error: str | None = None):
    keys = asked.with_columns(share=pl.lit(share, pl.Float64), error=pl.lit(error, pl.String))
    empty = pl.DataFrame(schema=VERDICTS)
    return pl.concat([empty, keys], how="diagonal").with_columns(elapsed_s=1.0)


def append(verdicts: Verdicts, rows: pl.DataFrame) -> None:
    with verdicts.append_chunks() as write:
        write(rows)


def record_results(lake: Lake, **other) -> None:
    row = {**MODEL, **other, "subset": "all", "metric": "win_rate"}
    lake.append("benchmark_results", pl.DataFrame([row], schema=schema_of("benchmark_results")))


def read_counted(lake: Lake) -> list[tuple]:
    with connect(lake) as connection:
        columns = "policy_id, request_id, share, error"
        statement = f"select {columns} from counted_benchmark_verdicts order by all"
        return query(connection, statement).rows()


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(tmp_path)


def test_no_run_removes_a_verdict_that_another_run_has_paid_for(lake, monkeypatch):
    ours, theirs = Verdicts(lake, MODEL), Verdicts(Lake(lake.root), MODEL | {"policy_id": "q"})
    append(ours, answers(requests("failed"), None, "no answer"))
    scan = Lake.scan

    def append_meanwhile(self, *table, **rows):
        found = scan(self, *table, **rows)
        monkeypatch.setattr(Lake, "scan", scan)
        append(theirs, answers(requests("paid")))
        return found

    monkeypatch.setattr(Lake, "scan", append_meanwhile)
    assert ours.adopt_answers(requests("failed")) == {"failed"}
    # the other run asks other requests of another policy of the same name
    theirs.adopt_answers(requests("other"))
    assert set(lake.read(TABLE)["request_id"]) == {"failed", "paid"}
    assert theirs.adopt_answers(requests("paid")) == set()


def test_a_verdict_wins_over_an_error_and_the_first_verdict_counts(lake):
    verdicts, one = Verdicts(lake, MODEL), requests("r")
    record_results(lake)
    found = []
    for share, error in [(None, "first"), (None, "last"), (1.0, None), (0.0, None), (None, "e")]:
        append(verdicts, answers(one, share, error))
        found.append(verdicts.read().select("policy_id", "request_id", "share", "error").rows())
        assert read_counted(lake) == found[-1]
    errors = [[("p", "r", None, name)] for name in ("first", "last")]
    assert found == [*errors, *[[("p", "r", 1.0, None)]] * 3]
    assert lake.read(TABLE).height == 5


@pytest.mark.parametrize(
    "other", [{"policy_id": "q"}, {"benchmark_id": "larger limit"}, {"experiment": "e"}]
)
def test_a_request_with_an_answer_is_not_sent_for_another_measurement(lake, other):
    append(Verdicts(lake, MODEL), answers(requests("answered", "old"), 0.25))
    append(Verdicts(lake, MODEL), answers(requests("failed"), None, "no answer"))
    verdicts = Verdicts(lake, MODEL | other)
    assert verdicts.adopt_answers(requests("answered", "failed", "new")) == {"failed", "new"}
    assert verdicts.adopt_answers(requests("answered", "failed", "new")) == {"failed", "new"}
    copied = verdicts.read()
    assert copied.select("request_id", "share", "elapsed_s").rows() == [("answered", 0.25, None)]
    record_results(lake, **other)
    policy = other.get("policy_id", "p")
    assert read_counted(lake) == [(policy, "answered", 0.25, None)]


def test_equal_messages_share_an_answer_and_the_other_side_has_the_rest_of_the_win(lake):
    verdicts = Verdicts(lake, MODEL)
    first, second = requests("r", item="i"), requests("r", item="i", shown_first="baseline")
    rated = requests("rating", shown_first=None)
    append(verdicts, answers(pl.concat([first, rated]), 0.75))
    assert verdicts.adopt_answers(pl.concat([first, second, rated])) == set()
    assert verdicts.read().select("shown_first", "share").rows() == [
        ("baseline", 0.25),
        ("model", 0.75),
        (None, 0.75),
    ]
