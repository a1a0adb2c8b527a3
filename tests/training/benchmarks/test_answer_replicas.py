"""Answers to a benchmark from two processes: those of one, each once."""

import json

import polars as pl
import pytest

from training.benchmarks.benchmark import open_benchmark
from training.models.initial_model import make_tiny_model
from training.settings.benchmarks import read_benchmark
from training.settings.judge import JudgeSettings
from training.settings.model import ONE_PROCESS, DeviceSettings, TinyModelSettings
from training.settings.sampling import SamplingSettings

KEY = ["subset", "item", "repeat", "request_id"]


def write_arc(file):
    choices = {"label": ["A", "B"], "text": ["a", "b"]}
    rows = [
        {"id": f"q{n}", "question": f"a b {n}", "choices": choices, "answerKey": "A"}
        for n in range(6)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return {"benchmark": "arc_challenge", "shots": 0, "engine": "transformers"}


def write_alpaca(file):
    rows = [
        {"instruction": f"say {n}", "output": "a", "generator": "g", "dataset": "d"}
        for n in range(6)
    ]
    file.write_text(json.dumps(rows))
    return {"benchmark": "alpaca_eval", "max_tokens": 4}


@pytest.mark.slow
@pytest.mark.parametrize(("write", "part"), [(write_arc, "test"), (write_alpaca, "baseline")])
def test_two_replicas_answer_every_item_once_as_one_does(tmp_path, no_network, write, part):
    shape = TinyModelSettings(hidden_size=64, layers=1, heads=2, context_tokens=64)
    talk = "Question: a b say Answer: 0 1 2 3 4 5"
    make_tiny_model(shape, [[{"role": "user", "content": talk}]], tmp_path / "model", seed=0)
    keys = write(tmp_path / "rows.json")
    data = {part: {"files": [str(tmp_path / "rows.json")]}}
    settings = read_benchmark("set", keys | {"data": data, "chunk_items": 1})

    def answer(devices):
        opened = open_benchmark(
            settings,
            SamplingSettings(max_sequences=4),
            JudgeSettings(path="unread"),
            seed=3,
            dtype="float32",
            devices=devices,
        )
        requests, chunks = opened.list_requests(tmp_path / "model"), []
        opened.answer(tmp_path / "model", requests, commit=chunks.append, description="")
        assert len(chunks) == 6
        return pl.concat(chunks).sort(KEY)

    one, two = answer(ONE_PROCESS), answer(DeviceSettings(replicas=2))
    assert two.select(KEY).equals(one.select(KEY))
    for name in ("answer", "extracted", "score", "finish_reason"):
        assert two[name].equals(one[name])
