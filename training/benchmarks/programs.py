"""Programs as answers to HumanEval and MBPP: extracting them, running their tests, scores.

Not here: the sandbox (`training.benchmarks.sandbox`), prompts (`training.benchmarks.harness`).
Source: pass@1 of one greedy sample (Chen et al. 2021, arXiv 2107.03374, section 2.1); programs are
assembled as in the harness's tasks.

Deviations from the harness:
1. MBPP's `test_setup_code` is run, which two of its tasks need.
2. An answer to a chat prompt ends at the closing fence; the harness's pattern for MBPP mistakes the
   first word of the code for the name of a language.
3. The tests call the program in another process. Arguments and results are copied: a test does not
   see that a program changes its arguments, and an object that is not plain data equals nothing.
"""

import ast
import builtins
import sys
from collections.abc import Mapping
from typing import Any

from training.benchmarks.sandbox import Outcome, ProgramTests, run_program
from training.settings.benchmarks import CodeLimits

FENCE = "```"
BODY = "    pass\n"
"""The end of a prompt of HumanEval, whose last line belongs to a function without a body."""


def extract_program(doc: Mapping[str, Any], answer: str, *, chat: bool) -> str:
    """Extract the program from an answer.

    Args:
        doc: the task; HumanEval's has a `prompt`, which the answer continues.
        answer: the generated text.
        chat: whether the prompt was a chat that ends inside a code block.
    """
    code = answer.split(FENCE)[0] if chat else answer
    return doc.get("prompt", "") + code


def build_tests(doc: Mapping[str, Any]) -> ProgramTests:
    """Build a task's tests: the names that they take from a program, and the code they need.

    HumanEval's tests may use functions of the prompt, and then use the prompt's own. MBPP's use a
    module of Python by its name, and every other name is the program's. A name of a built-in is the
    program's only if the tests use no other.
    """
    if "entry_point" in doc:
        text = f"{doc['test']}\ncheck({doc['entry_point']})\n"
        return ProgramTests(text, (doc["entry_point"],), known=doc["prompt"] + BODY)
    text = "\n".join(doc["test_list"])
    nodes = list(ast.walk(ast.parse(text)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    modules = {
        node.value.id
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    } & sys.stdlib_module_names
    own = {name for name in names - modules if not hasattr(builtins, name)} or names
    known = "\n".join(f"import {name}" for name in sorted(modules))
    return ProgramTests(text, tuple(sorted(own)), known=known, setup=doc["test_setup_code"] or "")


def run_tests(doc: Mapping[str, Any], program: str, limits: CodeLimits) -> Outcome:
    """Run a program and its task's tests in the sandbox.

    Raises:
        InputError: this machine cannot isolate a program.
    """
    return run_program(program, limits, build_tests(doc))


def score_outcome(outcome: Outcome) -> dict[str, float]:
    """Return the metrics of one program: whether it passed, and whether it timed out."""
    return {
        "pass_at_1": float(outcome.reason == "passed"),
        "time_out": float(outcome.reason == "time"),
    }
