"""Sums of a plan, its memory against a GPU, and the table of facts."""

from dataclasses import replace

import polars as pl
import pytest

from training.planning.facts import Fact
from training.planning.gpus import Gpu
from training.planning.loads import Load
from training.planning.memory import Memory
from training.planning.summary import (
    count_gpus,
    list_misfits,
    sum_work,
    tabulate_facts,
    tabulate_memory,
    tabulate_work,
)
from training.planning.trainings import Work
from transforms.lake.records.predicted_costs import predict_costs
from transforms.lake.schemas import schema_of

LENGTH = Fact("mean tokens of a response", 9, "tokens", "assumed", "plan.response_tokens")
TRAINED = Load("trained", "dpo", 100, 200, gpus=8, seconds=10, memory=Memory(weights=50e9))
READ = Load("read", "reference", 40, 80, gpus=1, seconds=5, memory=Memory(weights=79e9))
WORKS = [
    Work("iteration_1/policy", "a", 4, 1000, (READ, TRAINED), scratch=500),
    Work("iteration_2/policy", "a", 4, 1000, (TRAINED,), scratch=500),
    Work("iteration_1/dpo_pairs", "b", 2, 30),
    Work("iteration_1/generations", "b", 0, 20),
]
GPU = Gpu(flops=1e15, memory_bytes=80e9, bandwidth=3e12)


@pytest.fixture
def predicted() -> pl.DataFrame:
    work = tabulate_work(WORKS, [LENGTH])
    return predict_costs(work, pl.DataFrame(schema=schema_of("costs")))


def test_an_asset_s_tokens_are_those_it_trains_on(predicted):
    policy = predicted.row(0, named=True)
    assert (policy["tokens"], policy["most_tokens"]) == (100, 200)
    # one GPU reads for 5 s, then eight train for 10 s
    assert (policy["elapsed_s"], policy["gpu_s"], policy["gpus"]) == (15, 85, 8)
    assert (policy["origin"], policy["time_origin"]) == ("assumed", "assumed")


def test_sums_by_experiment_end_with_the_total(predicted):
    sums = sum_work(predicted, "experiment").select("experiment", "runs", "gpu_s", "bytes")
    assert sums.rows() == [("a", 2, 165, 2000), ("b", 1, None, 50), ("total", 3, 165, 2050)]


def test_sums_by_stage_join_the_iterations(predicted):
    sums = sum_work(predicted, "stage").select("stage", "runs", "tokens", "gpus")
    assert sums.rows() == [
        ("policy", 2, 200, 8), ("dpo_pairs", 1, None, 0), ("generations", 0, None, 0),
        ("total", 3, 200, 8),
    ]  # fmt: skip


def test_a_stage_that_does_not_fit_is_named_with_numbers_and_remedy():
    large = replace(TRAINED, memory=Memory(weights=90e9), remedy="lower max_tokens")
    memory = tabulate_memory([*WORKS, Work("one_shot/policy", "shared", 1, 1, (large,))], GPU)
    assert dict(memory.select("stage", "fits").rows()) == {"reference": "tight", "dpo": "no"}
    assert list_misfits(memory) == [
        "dpo does not fit: needs 91.0 GB per GPU, has 80.0 GB; lower max_tokens"
    ]


def test_a_share_of_the_gpu_can_be_the_limit():
    sampler = replace(TRAINED, stage="sampling", memory=Memory(weights=75e9), limit=0.9)
    memory = tabulate_memory([Work("x", "a", 1, 1, (sampler,))], GPU)
    assert memory.row(0, named=True)["available"] == pytest.approx(72e9)
    assert memory["fits"].to_list() == ["no"]


def test_the_rented_gpus_are_the_most_at_once():
    assert count_gpus(WORKS) == 8
    assert count_gpus([]) == 0


def test_facts_of_equal_origin_are_one_row():
    pairs = [
        Fact("pairs", n, "rows", "published", "Table 1", name) for n, name in ((5, "a"), (7, "b"))
    ]
    lengths = [
        Fact("mean tokens of a pair", n, "tokens", "published", "Table 1", name)
        for n, name in ((10, "a"), (30, "b"), (20, "c"))
    ]
    found = tabulate_facts([pairs[0], lengths[0], pairs[1], *lengths[1:], LENGTH])
    assert found.select("number", "value", "origin").rows() == [
        ("pairs: a, b", "12.0", "published"),
        ("mean tokens of a pair: 3 sources", "10.0 to 30.0 tokens", "published"),
        ("mean tokens of a response", "9.00 tokens", "assumed"),
    ]
