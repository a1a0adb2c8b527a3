"""Programs as answers: what a completion is a program of, and whether it passes its tests.

Lives here: HumanEval's and MBPP's programs, one by one through the sandbox. Not here: the sandbox
(`training.benchmarks.sandbox`), prompts (`training.benchmarks.harness`).
Source: pass@1 of one greedy sample (Chen et al. 2021, arXiv 2107.03374, section 2.1); programs as
the harness's tasks put them together.

Deviation from the harness: MBPP's `test_setup_code`, which three of its tasks need, is run; an
answer to a chat prompt ends at the closing fence, where the harness's pattern for MBPP takes the
first word of the code for the name of a language.
"""

from collections.abc import Mapping
from typing import Any

from training.benchmarks.sandbox import Outcome, run_program
from training.settings.benchmarks import CodeLimits

FENCE = "```"


def program_of(doc: Mapping[str, Any], answer: str, *, chat: bool) -> str:
    """Make the program that an answer is meant as.

    Args:
        doc: the task; HumanEval's has a `prompt`, which the answer goes on from.
        answer: as generated.
        chat: whether the prompt was a chat that ends within a block of code.
    """
    code = answer.split(FENCE)[0] if chat else answer
    return doc.get("prompt", "") + code


def with_tests(doc: Mapping[str, Any], program: str) -> str:
    """Put a task's tests behind a program."""
    if "entry_point" in doc:
        return f"{program}\n{doc['test']}\ncheck({doc['entry_point']})\n"
    return "\n".join([program, doc["test_setup_code"] or "", *doc["test_list"]])


def run_tests(doc: Mapping[str, Any], program: str, limits: CodeLimits) -> Outcome:
    """Run a program and its task's tests in the sandbox.

    Raises:
        InputError: this machine cannot isolate a program.
    """
    return run_program(with_tests(doc, program), limits)


def scores_of(outcome: Outcome) -> dict[str, float]:
    """Metrics of one program: whether it passed, and whether it ran out of time."""
    return {
        "pass_at_1": float(outcome.reason == "passed"),
        "time_out": float(outcome.reason == "time"),
    }
