"""ARC-Challenge: science questions from school tests, most with four choices."""

import polars as pl

from transforms.public_sets.benchmark_set import (
    BenchmarkSet,
    Column,
    Harness,
    NativeTypes,
    Part,
    Rows,
    Screening,
    TaskFile,
    identify_items,
    wrap_in_list,
)

CHOICES: NativeTypes = {
    "id": pl.String,
    "question": pl.String,
    "choices": pl.Struct({"text": pl.List(pl.String), "label": pl.List(pl.String)}),
    "answerKey": pl.String,
}


def _items(rows: Rows) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    examples = rows["train"].drop("row_key") if "train" in rows else None
    return identify_items(rows["test"], "arc_challenge", "id"), examples


ARC_CHALLENGE = BenchmarkSet(
    facts="ARC (arXiv 1803.05457), Challenge set, 1,172 test questions; examples come from "
    "the 1,119 questions of `train`. Columns as in the hub's allenai/ai2_arc.",
    parts={
        "test": Part(CHOICES, "allenai/ai2_arc", "test", ("ARC-Challenge",)),
        "train": Part(CHOICES, "allenai/ai2_arc", "train", ("ARC-Challenge",)),
    },
    needs=(("test",),),
    metric="accuracy_norm",
    screening=Screening("test", wrap_in_list("question"), pl.col("id")),
    harness=Harness(
        _items,
        tasks=(
            TaskFile(
                "arc/arc_challenge.yaml",
                {("none", "acc"): "accuracy", ("none", "acc_norm"): "accuracy_norm"},
            ),
        ),
        shots=25,
        examples=("train",),
    ),
    columns=(Column("arc", "ARC", ("academic_benchmarks", "ablations")),),
)
