"""HumanEval's and MBPP's own solutions pass, others do not."""

import polars as pl
import pytest

from training.benchmarks.programs import extract_program, run_tests
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
    assert program == "def double(x):\n    return 2 * x\n"
    assert run_tests(DOUBLE, program, LIMITS).reason == "passed"
    assert (
        run_tests(DOUBLE, extract_program(DOUBLE, "    return x\n", chat=False), LIMITS).reason
        == "failed"
    )


def test_an_answer_in_a_chat_ends_at_the_fence():
    answer = "def square(x):\n    return x * x\n```\nIt squares."
    assert run_tests(SQUARE, extract_program(SQUARE, answer, chat=True), LIMITS).reason == "passed"
    assert run_tests(SQUARE, extract_program(SQUARE, answer, chat=False), LIMITS).reason == "failed"


def pass_tests(program, *tests, setup=""):
    doc = {"test_setup_code": setup, "test_list": tests}
    return run_tests(doc, program, LIMITS).reason == "passed"


def test_tests_use_objects_of_the_program_that_are_not_plain():
    program = """
class Pair:
    def __init__(self, first, second): self.first, self.second = first, second
def swap(pair): return Pair(pair.second, pair.first)
def read(pairs): return [(pair.first, pair.second) for pair in pairs]
def count(limit): yield from range(limit)
"""
    assert pass_tests(program, "assert read([swap(Pair(1, 2))]) == [(2, 1)]")
    assert pass_tests(program, "assert read([pair]) == [(1, 2)]", setup="pair = Pair(1, 2)")
    assert pass_tests(program, "assert list(count(limit=2)) == [0, 1]")
    assert not pass_tests(program, "assert count(2) == [0, 1]")
    assert not pass_tests(program, "assert swap(Pair(1, 1)) == swap(Pair(1, 1))")


def test_a_name_of_a_built_in_is_the_programs_only_if_the_tests_use_no_other():
    assert pass_tests("def sum(a, b): return a - b", "assert sum(3, 2) == 1")
    assert pass_tests("def pick(x, kind): return x", "assert int(pick('3', str)) == 3")
    lies = "def odd(x): return [x]\ndef sorted(x): return [1]\ndef sqrt(x): return 1\nmath = None"
    assert not pass_tests(lies, "assert sorted(odd(2)) == [1]")
    assert not pass_tests(lies, "assert math.sqrt(odd(4)[0]) == 1")


def test_functions_of_a_humaneval_prompt_are_the_prompts_own():
    doc = {
        "prompt": "def half(x):\n    return x / 2\n\ndef double(x):\n    'Double it.'\n",
        "entry_point": "double",
        "test": "def check(candidate):\n    assert half(candidate(3)) == 3\n",
    }
    right, lie = "    return 2 * x\n", "    return x\ndef half(x): return 3\n"
    for completion, reason in ((right, "passed"), (lie, "failed")):
        program = extract_program(doc, completion, chat=False)
        assert run_tests(doc, program, LIMITS).reason == reason


def test_an_error_of_the_program_is_its_own_in_the_tests():
    caught = "try:\n    divide(0)\nexcept {error}:\n    pass"
    program = "def divide(x):\n    return 1 / x"
    assert pass_tests(program, caught.format(error="ZeroDivisionError"))
    assert not pass_tests(program, caught.format(error="KeyError"))


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
