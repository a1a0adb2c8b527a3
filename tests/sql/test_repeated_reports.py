"""Two readings of one lake give the same bytes, whatever the number of cores."""

import random

import polars as pl

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.query import connect, report
from transforms.views.statements import list_reports

PROMPTS, RESPONSES = 2000, 8
"""More rows than DuckDB gives one thread."""


def build_scored_responses(lake):
    """Responses with random lengths and rewards, whose sums depend on the order of the terms."""
    draw = random.Random(0)
    generations, scores = [], []
    for number in range(PROMPTS):
        for index in range(RESPONSES):
            key = ("e", 1, f"prompt {number}", index)
            chars = draw.randrange(20, 2000)
            generations.append((*key, "x", chars, chars // 4, "stop"))
            scores.append((*key, "reward_model", draw.gauss()))
    columns = ["experiment", "iteration", "prompt_id", "response_index"]
    for table, own, rows in [
        ("generations", ["response", "response_chars", "response_tokens", "finish_reason"],
         generations),
        ("scores", ["ranker", "reward"], scores),
    ]:  # fmt: skip
        named = [dict(zip(columns + own, row, strict=True)) for row in rows]
        lake.overwrite(table, pl.DataFrame(named, schema=schema_of(table)))


def test_a_report_repeats_to_the_last_digit(tmp_path):
    lake = Lake(tmp_path)
    build_scored_responses(lake)
    read = []
    for _ in range(3):
        with connect(lake) as connection:
            read.append({name: report(connection, name).write_csv() for name in list_reports()})
    assert read[0]["response_lengths"].count("\n") == 2  # the head and one experiment
    assert read[0] == read[1] == read[2]
