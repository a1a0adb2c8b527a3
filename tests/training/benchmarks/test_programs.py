"""HumanEval's and MBPP's own solutions pass, others do not."""

import polars as pl
import pytest

from training.benchmarks.programs import append_tests, extract_program, run_tests
from training.settings.benchmarks import CodeLimits
from transforms.settings.sources import OriginSettings
from transforms.sources.files.set_files import read_part

LIMITS = CodeLimits(wall_s=120)
DOUBLE = {
    "prompt": "def double(x):\n",
    "entry_point": "double",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
SQUARE = {"test_setup_code": "two = 2", "test_list": ["assert square(two) == 4"]}


def test_a_completion_goes_on_from_its_prompt():
    program = extract_program(DOUBLE, "    return 2 * x\n", chat=False)
    assert append_tests(DOUBLE, program).startswith("def double(x):\n    return 2 * x\n")
    assert run_tests(DOUBLE, program, LIMITS).reason == "passed"
    assert (
        run_tests(DOUBLE, extract_program(DOUBLE, "    return x\n", chat=False), LIMITS).reason
        == "failed"
    )


def test_an_answer_in_a_chat_ends_at_the_fence():
    answer = "def square(x):\n    return x * x\n```\nIt squares."
    assert run_tests(SQUARE, extract_program(SQUARE, answer, chat=True), LIMITS).reason == "passed"
    assert run_tests(SQUARE, extract_program(SQUARE, answer, chat=False), LIMITS).reason == "failed"


def read(benchmark, published, name, **columns):
    """Read a published file, its solutions too."""
    raw = OriginSettings(files=(published(name),))
    rows = read_part(benchmark, "test", raw).drop("row_key")
    if columns:
        solutions = pl.read_ndjson(published(name)).select("task_id", **columns)
        rows = rows.join(solutions, on="task_id")
    return rows.to_dicts()


@pytest.mark.slow
def test_the_solutions_of_humaneval_pass(published):
    tasks = read("humaneval", published, "HumanEval.jsonl.gz", solution="canonical_solution")
    failed = [
        task["task_id"]
        for task in tasks
        if run_tests(task, extract_program(task, task["solution"], chat=False), LIMITS).reason
        != "passed"
    ]
    assert (len(tasks), failed) == (164, [])


@pytest.mark.slow
def test_the_solutions_of_mbpp_pass(published):
    tasks = read("mbpp", published, "mbpp.jsonl.gz")
    failed = [
        task["task_id"]
        for task in tasks
        if run_tests(task, task["code"], LIMITS).reason != "passed"
    ]
    assert (len(tasks), failed) == (974, [])
