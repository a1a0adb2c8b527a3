"""The list of public sets, and their columns in reports.

To add a set: one value in a module of this folder, and one line in `BENCHMARK_SETS`.
"""

import polars as pl

from transforms.public_sets.arc_challenge import ARC_CHALLENGE
from transforms.public_sets.benchmark_set import (
    BenchmarkSet,
    Column,
    Harness,
    LabelledPairs,
    Screening,
)
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
"""Every public set by its name in recipes; columns of reports follow this order."""

SCREENINGS: dict[str, Screening] = {
    name: entry.screening for name, entry in BENCHMARK_SETS.items() if entry.screening
}
"""Sets that prompts can be screened against."""

HARNESSES: dict[str, Harness] = {
    name: entry.harness for name, entry in BENCHMARK_SETS.items() if entry.harness
}
"""Sets on which lm-evaluation-harness measures a policy (paper, Tables 3 and 5)."""

LABELLED_PAIRS: dict[str, LabelledPairs] = {
    name: entry.labelled_pairs for name, entry in BENCHMARK_SETS.items() if entry.labelled_pairs
}
"""Sets of labelled pairs on which rankers are measured (paper, Table 2)."""

METRICS: dict[str, str] = {
    name: entry.metric for name, entry in BENCHMARK_SETS.items() if entry.metric
}
"""The metric in the paper's tables, of each set that policies are measured on."""


def select_judged_sets(rules: str) -> tuple[str, ...]:
    """Return the names of the sets on which a judge scores answers by these rules (Table 4)."""
    return tuple(name for name, entry in BENCHMARK_SETS.items() if entry.judge_rules == rules)


def list_report_columns(report: str | None = None) -> list[Column]:
    """Return the columns of one report, or of all reports, in order."""
    columns = [column for entry in BENCHMARK_SETS.values() for column in entry.columns]
    return [column for column in columns if report is None or report in column.reports]


def build_benchmark_columns() -> pl.DataFrame:
    """Return the columns as a table for SQL: one row per report and column.

    Columns: benchmark, metric (of `benchmark_results`), report, name (of the column), place (from
    0), bar (title in Figure 8), scale (factor in Figure 8).
    """
    rows = [
        {
            "benchmark": benchmark,
            "metric": column.metric or entry.metric,
            "report": report,
            "name": column.name,
            "bar": column.title if column.scale == 1 else f"{column.title} (×{column.scale})",
            "scale": column.scale,
        }
        for benchmark, entry in BENCHMARK_SETS.items()
        for column in entry.columns
        for report in column.reports
    ]
    return pl.DataFrame(rows).with_row_index("place")
