"""GSM8K: word problems of grade school mathematics; the answer is a number."""

import polars as pl

from transforms.public_sets.benchmark_set import (
    BenchmarkSet,
    Column,
    Harness,
    Part,
    Rows,
    Screening,
    TaskFile,
    number_items,
    wrap_in_list,
)


def _items(rows: Rows) -> tuple[pl.DataFrame, None]:
    return number_items(rows["test"], "gsm8k"), None


GSM8K = BenchmarkSet(
    facts="GSM8K (arXiv 2110.14168), 1,319 test problems; "
    "https://github.com/openai/grade-school-math, grade_school_math/data/test.jsonl. Items have no "
    "id: their row number identifies them. The 8 examples are from Wei et al. 2022 (arXiv "
    "2201.11903); the harness's task gsm8k_cot contains them.",
    parts={
        "test": Part(
            {"question": pl.String, "answer": pl.String}, "openai/gsm8k", "test", ("main",)
        )
    },
    needs=(("test",),),
    metric="exact_match_flexible",
    screening=Screening("test", wrap_in_list("question"), pl.col("row_key")),
    harness=Harness(
        _items,
        tasks=(
            TaskFile(
                "gsm8k/gsm8k-cot.yaml",
                {
                    ("strict-match", "exact_match"): "exact_match_strict",
                    ("flexible-extract", "exact_match"): "exact_match_flexible",
                },
                generates=True,
            ),
        ),
        shots=8,
    ),
    columns=(Column("gsm8k", "GSM8K", ("academic_benchmarks", "ablations")),),
)
