"""The GPU check's own arithmetic, on a CPU: equal runs differ by 0, and a wrong one is caught."""

import json
import math
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from bench.gpu.cases import SMALL, prepare
from bench.gpu.compare import TOLERANCES, compare, find_memory_problems
from bench.gpu.sampled import check_sampled
from bench.gpu.stages import STAGES
from bench.gpu_check import run_check
from training.models.end_of_turn import find_end_of_turn
from training.models.rendering import load_tokenizer, tokenize_prompts

CASE = replace(
    SMALL,
    hidden=64,
    layers=1,
    vocabulary=48,
    prompt_words=8,
    response_words=8,
    rows=16,
    steps=2,
    micro_batch=2,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gpu_check")
    prepare(CASE, folder)
    return folder


@pytest.mark.parametrize("stage", [pytest.param("dpo", marks=pytest.mark.slow), "scoring", "logps"])
def test_a_stage_does_not_differ_from_itself(stage: str, folder: Path):
    measure = STAGES[stage].measure
    (first, figures), (second, _) = (measure(CASE, folder, "float32") for _ in range(2))
    differences = compare("float32", first, second)
    assert [d.difference for d in differences] == [0.0] * len(first)
    assert all(d.within for d in differences)
    assert figures["tokens_per_s"] > 0


def test_differences_are_held_against_their_tolerance():
    tolerance = TOLERANCES["loss"]["bfloat16"]
    near, far = [0.5, 0.5 + 0.9 * tolerance], [0.5, 0.5 - 1.1 * tolerance]
    (within,) = compare("bfloat16", {"loss": near}, {"loss": [0.5, 0.5]})
    (outside,) = compare("bfloat16", {"loss": far}, {"loss": [0.5, 0.5]})
    (no_number,) = compare("bfloat16", {"loss": [math.nan]}, {"loss": [0.5]})
    assert (within.within, outside.within, no_number.within) == (True, False, False)
    assert outside.difference == pytest.approx(1.1 * tolerance)
    for measured in ({}, {"loss": []}, {"loss": [0.5]}, {"reward": [0.5, 0.5]}):
        with pytest.raises(ValueError, match="one to one"):
            compare("bfloat16", measured, {"loss": [0.5, 0.5]})


def sample(folder: Path, *, samples: int, temperature: float) -> pl.DataFrame:
    """Draw responses with transformers, in the columns that vLLM's rows have here."""
    model = folder / "initial"
    tokenizer, policy = load_tokenizer(model), AutoModelForCausalLM.from_pretrained(model)
    prompts = pl.read_parquet(folder / "pairs.parquet", columns=["prompt_id", "prompt"])
    rows = []
    for prompt in prompts["prompt"].to_list():
        (ids,) = tokenize_prompts(tokenizer, [prompt])
        sampling = {"do_sample": False} if temperature == 0 else {"do_sample": True, "top_k": 0}
        drawn = policy.generate(
            torch.tensor([ids] * samples),
            max_new_tokens=CASE.response_words,
            temperature=temperature or None,
            **sampling,
        )
        for answer in drawn[:, len(ids) :].tolist():
            stop = find_end_of_turn(tokenizer, model)
            stopped = stop in answer
            tokens = answer.index(stop) + stopped if stopped else len(answer)
            text = tokenizer.decode(answer[: tokens - stopped], skip_special_tokens=True)
            rows.append((prompt, text, tokens, "stop" if stopped else "length"))
    columns = ["prompt", "response", "response_tokens", "finish_reason"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def test_right_samples_agree_with_the_policy_and_wrong_ones_do_not(folder: Path):
    torch.manual_seed(0)
    sample(folder, samples=1, temperature=0).write_parquet(folder / "greedy.parquet")
    sample(folder, samples=32, temperature=1).write_parquet(folder / "sampled.parquet")
    right = check_sampled(folder)
    assert max(right["greedy_gap"]) < 1e-4
    assert abs(right["surprise"][0]) < TOLERANCES["surprise"]["bfloat16"]
    sample(folder, samples=4, temperature=1).write_parquet(folder / "greedy.parquet")
    sample(folder, samples=32, temperature=0.7).write_parquet(folder / "sampled.parquet")
    wrong = check_sampled(folder)
    assert max(wrong["greedy_gap"]) > TOLERANCES["greedy_gap"]["bfloat16"]
    assert wrong["surprise"][0] > 2 * TOLERANCES["surprise"]["bfloat16"]


def test_memory_that_stays_is_a_problem():
    assert find_memory_problems({"left_mib": 600.0, "after_exit_mib": 0.0}) == []
    kept = find_memory_problems({"left_mib": 9e3, "after_exit_mib": 9e3})
    assert [problem.split(" MiB in use ")[1].split(";")[0] for problem in kept] == [
        "after the call",
        "after the process ended",
    ]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_without_a_gpu_the_check_says_so(tmp_path, capsys):
    assert run_check(["sft"], 0, 16, tmp_path, 60) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == "No NVIDIA GPU is visible here: nothing was checked."
    assert json.loads(last)["bench"] == "gpu_check"
    assert json.loads(last)["skipped"] == "no NVIDIA GPU"
