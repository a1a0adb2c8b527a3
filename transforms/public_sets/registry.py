"""The list of public sets, and the columns that they have in reports.

A set is added here: one value in a module beside this one, one line in `BENCHMARK_SETS`.
"""

import polars as pl

from transforms.public_sets.arc_challenge import ARC_CHALLENGE
from transforms.public_sets.benchmark_set import BenchmarkSet, Column
from transforms.public_sets.chat import ALPACA_EVAL, ARENA_HARD, ARENA_HARD_V2, MT_BENCH
from transforms.public_sets.gsm8k import GSM8K
from transforms.public_sets.labelled_pairs import JUDGE_BENCH, LLMBAR, RM_BENCH
from transforms.public_sets.mmlu import MMLU
from transforms.public_sets.programs import HUMANEVAL, MBPP
from transforms.public_sets.reward_bench import REWARD_BENCH
from transforms.public_sets.truthfulqa import TRUTHFULQA

BENCHMARK_SETS: dict[str, BenchmarkSet] = {
    "alpaca_eval": ALPACA_EVAL,
    "mt_bench": MT_BENCH,
    "arena_hard": ARENA_HARD,
    "arena_hard_v2": ARENA_HARD_V2,
    "gsm8k": GSM8K,
    "mmlu": MMLU,
    "humaneval": HUMANEVAL,
    "truthfulqa": TRUTHFULQA,
    "arc_challenge": ARC_CHALLENGE,
    "mbpp": MBPP,
    "reward_bench": REWARD_BENCH,
    "llmbar": LLMBAR,
    "judge_bench": JUDGE_BENCH,
    "rm_bench": RM_BENCH,
}
"""Every public set by the name that a recipe uses; columns of reports follow this order."""

EVALUATION_SETS = {name: one for name, one in BENCHMARK_SETS.items() if one.screening}
"""Sets that prompts can be screened against."""

ACADEMIC = {name: one for name, one in BENCHMARK_SETS.items() if one.harness}
"""Sets that lm-evaluation-harness measures a policy on (paper, Tables 3 and 5)."""

JUDGED = {name: one for name, one in BENCHMARK_SETS.items() if one.judge_rules}
"""Sets on which a judge scores a policy's answers (paper, Table 4)."""

BENCHMARKS = JUDGED | ACADEMIC
"""Sets that policies are measured on."""

PAIR_SETS = {name: one for name, one in BENCHMARK_SETS.items() if one.labelled_pairs}
"""Sets of labelled pairs that rankers are measured on (paper, Table 2)."""


def sets_of_judge_rules(rules: str) -> tuple[str, ...]:
    """Return the names of the sets whose answers are judged by these rules."""
    return tuple(name for name, one in JUDGED.items() if one.judge_rules == rules)


def report_columns(report: str | None = None) -> list[Column]:
    """Return the columns of one report, or of all, in order."""
    columns = [column for one in BENCHMARK_SETS.values() for column in one.columns]
    return [column for column in columns if report is None or report in column.reports]


def benchmark_columns() -> pl.DataFrame:
    """Return the columns as a table for SQL: one row per report and column.

    Columns: benchmark, metric (which figure of `benchmark_results` is shown), report, name (of the
    column), place (from 0), bar (title in Figure 8), scale (factor in Figure 8).
    """
    rows = [
        {
            "benchmark": benchmark,
            "metric": column.metric or one.metric,
            "report": report,
            "name": column.name,
            "bar": column.title if column.scale == 1 else f"{column.title} (×{column.scale})",
            "scale": column.scale,
        }
        for benchmark, one in BENCHMARK_SETS.items()
        for column in one.columns
        for report in column.reports
    ]
    return pl.DataFrame(rows).with_row_index("place")
