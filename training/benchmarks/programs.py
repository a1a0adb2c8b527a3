"""Programs as answers to HumanEval and MBPP: extracting them, running their tests, scores.

Not here: the sandbox (`training.benchmarks.sandbox`), prompts (`training.benchmarks.harness`).
Source: pass@1 of one greedy sample (Chen et al. 2021, arXiv 2107.03374, section 2.1); programs are
assembled as in the harness's tasks.

Deviations from the harness: MBPP's `test_setup_code` is run, which three of its tasks need. An
answer to a chat prompt ends at the closing fence; the harness's pattern for MBPP mistakes the first
word of the code for the name of a language.
"""

from collections.abc import Mapping
from typing import Any

from training.benchmarks.sandbox import Outcome, run_program
from training.settings.benchmarks import CodeLimits

FENCE = "```"


def extract_program(doc: Mapping[str, Any], answer: str, *, chat: bool) -> str:
    """Extract the program from an answer.

    Args:
        doc: the task; HumanEval's has a `prompt`, which the answer continues.
        answer: the generated text.
        chat: whether the prompt was a chat that ends inside a code block.
    """
    code = answer.split(FENCE)[0] if chat else answer
    return doc.get("prompt", "") + code


def append_tests(doc: Mapping[str, Any], program: str) -> str:
    """Append a task's tests to a program."""
    if "entry_point" in doc:
        return f"{program}\n{doc['test']}\ncheck({doc['entry_point']})\n"
    return "\n".join([program, doc["test_setup_code"] or "", *doc["test_list"]])


def run_tests(doc: Mapping[str, Any], program: str, limits: CodeLimits) -> Outcome:
    """Run a program and its task's tests in the sandbox.

    Raises:
        InputError: this machine cannot isolate a program.
    """
    return run_program(append_tests(doc, program), limits)


def score_outcome(outcome: Outcome) -> dict[str, float]:
    """Return the metrics of one program: whether it passed, and whether it timed out."""
    return {
        "pass_at_1": float(outcome.reason == "passed"),
        "time_out": float(outcome.reason == "time"),
    }
