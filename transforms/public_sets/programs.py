"""HumanEval and MBPP: programming tasks whose answers are Python programs that must pass tests."""

import polars as pl

from transforms.public_sets.benchmark_set import (
    BenchmarkSet,
    Column,
    Harness,
    Part,
    Rows,
    Screening,
    TaskFile,
    identify_items,
    wrap_in_list,
)

MBPP_TEST = (11, 510)
"""First and last task_id of MBPP's test split."""
MBPP_EXAMPLES = (2, 3, 4)
"""The task_id of MBPP's examples."""


def _humaneval_items(rows: Rows) -> tuple[pl.DataFrame, None]:
    return identify_items(rows["test"], "humaneval", "task_id"), None


def _mbpp_items(rows: Rows) -> tuple[pl.DataFrame, pl.DataFrame]:
    tests = rows["test"].filter(pl.col("task_id").is_between(*MBPP_TEST))
    examples = rows["test"].filter(pl.col("task_id").is_in(MBPP_EXAMPLES)).sort("task_id")
    return identify_items(tests, "mbpp", "task_id"), examples


HUMANEVAL = BenchmarkSet(
    facts="HumanEval (arXiv 2107.03374), 164 tasks, each a signature with docstring; "
    "https://github.com/openai/human-eval, data/HumanEval.jsonl.gz.",
    parts={
        "test": Part(
            dict.fromkeys(("task_id", "prompt", "entry_point", "test"), pl.String),
            "openai/openai_humaneval",
            "test",
        )
    },
    needs=(("test",),),
    metric="pass_at_1",
    screening=Screening("test", wrap_in_list("prompt"), pl.col("task_id")),
    harness=Harness(
        _humaneval_items,
        tasks=(TaskFile("humaneval/humaneval.yaml", {}, generates=True, program=True),),
        # in a chat the prompt ends inside a code block, which the answer continues
        chat_tasks=(
            TaskFile("humaneval/humaneval_instruct.yaml", {}, generates=True, program=True),
        ),
    ),
    columns=(Column("humaneval", "HumanEval", ("academic_benchmarks", "ablations")),),
)

MBPP = BenchmarkSet(
    facts="MBPP (arXiv 2108.07732), 974 tasks, of which 11 to 510 are the test split; "
    "https://github.com/google-research/google-research, mbpp/mbpp.jsonl.",
    parts={
        "test": Part(
            {
                "task_id": pl.Int64,
                "text": pl.String,
                "code": pl.String,
                "test_setup_code": pl.String,
                "test_list": pl.List(pl.String),
            },
            "google-research-datasets/mbpp",
            "test",
            ("full",),
        )
    },
    needs=(("test",),),
    metric="pass_at_1",
    screening=Screening("test", wrap_in_list("text"), pl.col("task_id").cast(pl.String)),
    harness=Harness(
        _mbpp_items,
        tasks=(TaskFile("mbpp/mbpp.yaml", {}, generates=True, program=True),),
        chat_tasks=(TaskFile("mbpp/mbpp_instruct.yaml", {}, generates=True, program=True),),
    ),
    columns=(Column("mbpp", "MBPP", ("academic_benchmarks", "ablations")),),
)
