"""TruthfulQA: questions with a common false answer, as multiple choice.

The authors' csv has the best, the correct and the incorrect answers of a question, separated by
semicolons. The multiple choices are built from them as in the authors' code: every answer ends with
a full stop; MC1 lists the best answer, then the incorrect ones; MC2 lists the correct ones, then
the incorrect ones (Lin et al. 2021, arXiv 2109.07958, section 2.2).
"""

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

TARGETS = pl.Struct({"choices": pl.List(pl.String), "labels": pl.List(pl.Int64)})


def _items(rows: Rows) -> tuple[pl.DataFrame, None]:
    choices = rows["validation"] if "validation" in rows else _build_choices(rows["questions"])
    return number_items(choices, "truthfulqa"), None


def _build_choices(rows: pl.DataFrame) -> pl.DataFrame:
    best = _end_with_full_stop(pl.concat_list(pl.col("Best Answer").str.strip_chars()))
    correct, incorrect = (
        _end_with_full_stop(pl.col(f"{kind} Answers").str.split(";"))
        for kind in ("Correct", "Incorrect")
    )
    lists = rows.select("row_key", "Question", best=best, correct=correct, incorrect=incorrect)
    targets = {
        name: pl.struct(
            choices=pl.concat_list(right, "incorrect"),
            labels=pl.concat_list(
                pl.lit(1, pl.Int64).repeat_by(pl.col(right).list.len()),
                pl.lit(0, pl.Int64).repeat_by(pl.col("incorrect").list.len()),
            ),
        )
        for name, right in (("mc1_targets", "best"), ("mc2_targets", "correct"))
    }
    return lists.select("row_key", question="Question", **targets)


def _end_with_full_stop(answers: pl.Expr) -> pl.Expr:
    """Strip answers, drop empty ones, and end each with a full stop."""
    text = pl.element().str.strip_chars()
    stop = pl.when(text.str.ends_with(".")).then(pl.lit("")).otherwise(pl.lit("."))
    stopped = pl.when(text != "").then(pl.concat_str(text, stop))
    return answers.list.eval(stopped).list.drop_nulls()


TRUTHFULQA = BenchmarkSet(
    facts="TruthfulQA (arXiv 2109.07958), 817 questions; https://github.com/sylinrl/TruthfulQA, "
    "TruthfulQA.csv (part `questions`), or the hub's multiple choices (part `validation`). Items "
    "have no id: their row number identifies them.",
    parts={
        "questions": Part(
            dict.fromkeys(
                ("Category", "Question", "Best Answer", "Correct Answers", "Incorrect Answers"),
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
    needs=(("questions", "validation"),),
    metric="mc2",
    screening=Screening("questions", wrap_in_list("Question"), pl.col("row_key")),
    harness=Harness(
        _items,
        tasks=(
            TaskFile("truthfulqa/truthfulqa_mc1.yaml", {("none", "acc"): "mc1"}),
            TaskFile("truthfulqa/truthfulqa_mc2.yaml", {("none", "acc"): "mc2"}),
        ),
    ),
    columns=(Column("truthfulqa", "TruthfulQA", ("academic_benchmarks", "ablations")),),
)
