"""The benchmarks of Table 3: the parts of their data, their shots, their metric.

Lives here: what is known of each, as data, and the reading of a part. Not here: prompts and metrics
(`training.benchmarks`). The hub's datasets have the columns that are read here, except MMLU, whose
authors publish a zip of csv files.
"""

from collections.abc import Mapping

import polars as pl

from transforms.benchmarks.judged_sets import JUDGED_SETS
from transforms.benchmarks.part import BenchmarkSet, Part
from transforms.settings.sources import OriginSettings
from transforms.sources.files.public_sets import locate, read_fitting

QUESTION = {"question": pl.String, "answer": pl.String}
CHOICES = {
    "id": pl.String,
    "question": pl.String,
    "choices": pl.Struct({"text": pl.List(pl.String), "label": pl.List(pl.String)}),
    "answerKey": pl.String,
}
TARGETS = pl.Struct({"choices": pl.List(pl.String), "labels": pl.List(pl.Int64)})
MMLU_COLUMNS = {
    "subject": pl.String,
    "question": pl.String,
    "choices": pl.List(pl.String),
    "answer": pl.Int64,
}

BENCHMARKS = {
    "gsm8k": BenchmarkSet(
        facts="GSM8K (arXiv 2110.14168), 1,319 test problems; "
        "https://github.com/openai/grade-school-math. The 8 examples are those of Wei et al. 2022 "
        "(arXiv 2201.11903), which the harness's task gsm8k_cot has.",
        parts={"test": Part(QUESTION, "openai/gsm8k", "test", ("main",))},
        needs=("test",),
        metric="exact_match_flexible",
        shots=8,
    ),
    "mmlu": BenchmarkSet(
        facts="MMLU (arXiv 2009.03300), 14,042 test questions of 57 subjects, 5 examples a subject "
        "in `dev`; https://github.com/hendrycks/test, a zip (part `archive`), or the hub's columns "
        "(parts `test` and `dev`).",
        parts={
            "archive": Part({}),
            "test": Part(MMLU_COLUMNS, "cais/mmlu", "test", ("all",)),
            "dev": Part(MMLU_COLUMNS, "cais/mmlu", "dev", ("all",)),
        },
        needs=("archive", "test"),
        metric="accuracy",
        shots=5,
        examples=("archive", "dev"),
        clustered=True,
    ),
    "arc_challenge": BenchmarkSet(
        facts="ARC (arXiv 1803.05457), Challenge set, 1,172 test questions; examples are drawn "
        "from the 1,119 of `train`, in the columns of the hub's allenai/ai2_arc.",
        parts={
            "test": Part(CHOICES, "allenai/ai2_arc", "test", ("ARC-Challenge",)),
            "train": Part(CHOICES, "allenai/ai2_arc", "train", ("ARC-Challenge",)),
        },
        needs=("test",),
        metric="accuracy_norm",
        shots=25,
        examples=("train",),
    ),
    "truthfulqa": BenchmarkSet(
        facts="TruthfulQA (arXiv 2109.07958), 817 questions; "
        "https://github.com/sylinrl/TruthfulQA, TruthfulQA.csv (part `questions`), or the hub's "
        "multiple choices (part `validation`).",
        parts={
            "questions": Part(
                dict.fromkeys(
                    (
                        "Category",
                        "Question",
                        "Best Answer",
                        "Correct Answers",
                        "Incorrect Answers",
                    ),
                    pl.String,
                )
            ),
            "validation": Part(
                {"question": pl.String, "mc1_targets": TARGETS, "mc2_targets": TARGETS},
                "truthfulqa/truthful_qa",
                "validation",
                ("multiple_choice",),
            ),
        },
        needs=("questions", "validation"),
        metric="mc2",
    ),
    "humaneval": BenchmarkSet(
        facts="HumanEval (arXiv 2107.03374), 164 tasks; https://github.com/openai/human-eval.",
        parts={
            "test": Part(
                dict.fromkeys(("task_id", "prompt", "entry_point", "test"), pl.String),
                "openai/openai_humaneval",
                "test",
            )
        },
        needs=("test",),
        metric="pass_at_1",
    ),
    "mbpp": BenchmarkSet(
        facts="MBPP (arXiv 2108.07732), 974 tasks, of which 11 to 510 are the test split; "
        "https://github.com/google-research/google-research/tree/master/mbpp.",
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
        needs=("test",),
        metric="pass_at_1",
    ),
    **JUDGED_SETS,
}


def resolve_benchmark(
    benchmark: str, data: Mapping[str, OriginSettings]
) -> dict[str, OriginSettings]:
    """Look a benchmark's parts up, and fill in their hub ids, splits and folders.

    Args:
        benchmark: which it is.
        data: its parts.

    Raises:
        ValueError: no such part, a part without origin, or none that holds the items.
    """
    entry = BENCHMARKS[benchmark]
    located = {}
    for part, origin in data.items():
        found = locate(f"{benchmark}.data", part, origin, entry.parts)
        folders = found.hub_dirs or entry.parts[part].hub_dirs
        located[part] = found.model_copy(update={"hub_dirs": () if found.files else folders})
    if not set(entry.needs) & set(data):
        raise ValueError(f"{benchmark}.data has no {' or '.join(entry.needs)}: {entry.facts}")
    return located


def read_part(benchmark: str, part: str, origin: OriginSettings) -> pl.DataFrame:
    """Read a part whole: row_key and its native columns, in the order of its file.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    rows = read_fitting(f"{benchmark}.{part}", origin, BENCHMARKS[benchmark].parts[part].native)
    return pl.concat(rows)
