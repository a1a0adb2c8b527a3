"""Two runs measure one model at the same time."""

import threading
from pathlib import Path

import polars as pl

from assets.evaluation.benchmark_runs import measure
from transforms.benchmarks.answer_table import ANSWERS, REQUESTS, MeasuredModel
from transforms.benchmarks.judged.verdict_table import REQUESTS as JUDGE_REQUESTS
from transforms.benchmarks.judged.verdict_table import VERDICTS
from transforms.benchmarks.results import SUMMARY
from transforms.lake.lake import Lake
from transforms.lake.records.checkpoints import Checkpoint
from transforms.lake.schemas import schema_of

KEY = {"subset": "s", "item": "i", "repeat": 0}
MODEL = MeasuredModel("shared", 0, "sft_policy", "p")


class OneQuestion:
    """A benchmark of one question, which counts what it sends to the model and to the judge."""

    judge_id, benchmark_id, source = "j", "b", "test"
    judge = pl.DataFrame([{"judge_id": "j"}], schema=schema_of("judges"))

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.entered, self.go_on = threading.Event(), threading.Event()

    def list_requests(self, policy):
        return pl.DataFrame([{**KEY, "request_id": "q"}], schema=REQUESTS)

    def answer(self, policy, missing, *, commit, description):
        self.sent.append("question")
        self.entered.set()
        self.go_on.wait(10)
        commit(pl.DataFrame([{**KEY, "request_id": "q", "answer": "a"}], schema=ANSWERS))

    def score(self, answers, *, description):
        return None

    def ask_judge(self, answers, verdicts, *, description):
        row = {**KEY, "turn": 1, "request_id": "r"}
        missing = verdicts.adopt_answers(pl.DataFrame([row], schema=JUDGE_REQUESTS))
        if missing:
            self.sent.append("verdict")
            with verdicts.append_chunks() as append:
                append(pl.DataFrame([row], schema=VERDICTS))
        return len(missing)

    def compute_results(self, answers, verdicts):
        row = {"subset": "all", "metric": "m", "items": verdicts.height}
        return pl.DataFrame([row], schema=SUMMARY)


def test_the_second_run_waits_and_sends_nothing_again(tmp_path):
    benchmark, lines = OneQuestion(), []
    waits = threading.Event()

    def log(line: str) -> None:
        lines.append(line)
        if "waiting" in line:
            waits.set()

    def run() -> None:
        measure(Lake(tmp_path), MODEL, Checkpoint("p", Path()), "b", benchmark, log)

    first, second = threading.Thread(target=run), threading.Thread(target=run)
    first.start()
    assert benchmark.entered.wait(10)
    second.start()
    assert waits.wait(10)
    benchmark.go_on.set()
    first.join()
    second.join()
    assert benchmark.sent == ["question", "verdict"]
    results = Lake(tmp_path).read("benchmark_results")
    assert results.select("items", "benchmark_id").rows() == [(1, "b")]
