"""Programs as answers: taken from a response, and run with the reference's unit tests.

Not here: the sandbox (`training.benchmarks.sandbox`), programs of public benchmarks
(`training.benchmarks.programs`).
"""

import ast
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from training.benchmarks.programs import run_tests
from training.benchmarks.sandbox import require_isolation
from training.settings.benchmarks import CodeLimits

BLOCK = re.compile(r"```[ \t]*(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.S | re.I)
"""A block of code; one that was cut has no end."""


def score_programs(responses: Sequence[str], references: Sequence[str]) -> list[float]:
    """Return 1 for each response whose program passes the tests, else 0.

    Args:
        responses: each contains a program: its last block of code, or the whole text.
        references: unit tests, such as `assert add(1, 2) == 3`.

    Raises:
        InputError: this machine cannot isolate a program.
    """
    limits = CodeLimits()
    require_isolation(limits)

    def run(response: str, tests: str) -> float:
        task = {"test_list": [tests], "test_setup_code": ""}
        return float(run_tests(task, extract_program(response), limits).reason == "passed")

    with ThreadPoolExecutor(os.cpu_count(), "programs") as pool:  # each waits for its sandbox
        return list(pool.map(run, responses, references))


def extract_program(response: str) -> str:
    """Return the last block of code of a response; the whole text if it has none."""
    blocks = BLOCK.findall(response)
    return blocks[-1] if blocks else response


def require_tests(reference: str) -> None:
    """Check that a reference is tests.

    Raises:
        ValueError: it is no Python, or tests nothing.
    """
    nodes = ast.walk(ast.parse(reference))
    if not any(isinstance(node, ast.Name) for node in nodes):
        raise ValueError("tests that use no name of a program")
