"""Items of the academic benchmarks, in the columns that lm-evaluation-harness's tasks name.

Lives here: parts of a benchmark's data to rows of `subset`, `item` and a task's columns, and the
choice of the first n. Not here: reading a part (`transforms.benchmarks.sets`), prompts
(`training.benchmarks.harness`).

TruthfulQA's csv has the best, the correct and the incorrect answers of a question, divided by
semicolons. From them its multiple choices are made as its authors' code makes them: every answer
ends with a full stop; MC1 has the best answer, then the incorrect ones; MC2 has the correct ones,
then the incorrect ones (Lin et al. 2021, arXiv 2109.07958, section 2.2).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from transforms.benchmarks.sets import BENCHMARKS, read_part
from transforms.errors import InputError
from transforms.prompts.mmlu import read_mmlu
from transforms.settings.sources import OriginSettings

LETTERS = ("A", "B", "C", "D")
MBPP_TEST = (11, 510)
"""First and last task_id of MBPP's test split; its examples are tasks 2, 3 and 4."""
MBPP_EXAMPLES = (2, 3, 4)

Parts = Mapping[str, OriginSettings]


def read_items(
    benchmark: str, data: Parts, limit: int | None = None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Read a benchmark's items, and the rows that examples are taken from.

    Args:
        benchmark: which it is.
        data: its parts, resolved.
        limit: keep only this many items of each subset, from the first.

    Returns:
        Items: subset, item (unique within the subset) and the columns of the harness's task, in the
        order of the files; and the examples, with the same columns but `item`; None where the data
        has none.

    Raises:
        InputError: a file cannot be read, or a row does not fit.
    """
    items, examples = READERS[benchmark](data)
    if limit is not None:
        items = items.group_by("subset", maintain_order=True).head(limit)
    if (twice := items.filter(pl.struct("subset", "item").is_duplicated())).height:
        raise InputError(
            f"benchmark {benchmark} has items that cannot be told apart",
            expected="a key of its own for each item",
            found=f"{twice.height} items, the first {twice['item'][0]}",
            remedy=f"name the published file, once. {BENCHMARKS[benchmark].facts}",
        )
    return items, examples


def _numbered(rows: pl.DataFrame, benchmark: str) -> pl.DataFrame:
    number = pl.int_range(1, pl.len() + 1).cast(pl.String)
    return rows.drop("row_key").select(
        pl.lit(benchmark).alias("subset"), number.alias("item"), pl.all()
    )


def _keyed(rows: pl.DataFrame, benchmark: str, key: str) -> pl.DataFrame:
    return rows.drop("row_key").select(
        pl.lit(benchmark).alias("subset"), pl.col(key).cast(pl.String).alias("item"), pl.all()
    )


def _gsm8k(data: Parts) -> tuple[pl.DataFrame, None]:
    return _numbered(read_part("gsm8k", "test", data["test"]), "gsm8k"), None


def _humaneval(data: Parts) -> tuple[pl.DataFrame, None]:
    return _keyed(read_part("humaneval", "test", data["test"]), "humaneval", "task_id"), None


def _mbpp(data: Parts) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = read_part("mbpp", "test", data["test"])
    tests = rows.filter(pl.col("task_id").is_between(*MBPP_TEST))
    examples = rows.filter(pl.col("task_id").is_in(MBPP_EXAMPLES)).sort("task_id")
    return _keyed(tests, "mbpp", "task_id"), examples


def _arc_challenge(data: Parts) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    items = _keyed(read_part("arc_challenge", "test", data["test"]), "arc_challenge", "id")
    if "train" not in data:
        return items, None
    return items, read_part("arc_challenge", "train", data["train"]).drop("row_key")


def _truthfulqa(data: Parts) -> tuple[pl.DataFrame, None]:
    if "validation" in data:
        return _numbered(
            read_part("truthfulqa", "validation", data["validation"]), "truthfulqa"
        ), None
    rows = read_part("truthfulqa", "questions", data["questions"])
    best = _closed(pl.concat_list(pl.col("Best Answer").str.strip_chars()))
    correct, incorrect = (
        _closed(pl.col(f"{kind} Answers").str.split(";")) for kind in ("Correct", "Incorrect")
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
    return _numbered(lists.select("row_key", question="Question", **targets), "truthfulqa"), None


def _closed(answers: pl.Expr) -> pl.Expr:
    """Strip answers, leave out empty ones, and end each with a full stop."""
    text = pl.element().str.strip_chars()
    stop = pl.when(text.str.ends_with(".")).then(pl.lit("")).otherwise(pl.lit("."))
    stopped = pl.when(text != "").then(pl.concat_str(text, stop))
    return answers.list.eval(stopped).list.drop_nulls()


def _mmlu(data: Parts) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    if "archive" in data:
        archive = Path(data["archive"].files[0])
        return tuple(
            _by_subject(_of_archive(read_mmlu(archive, split))) for split in ("test", "dev")
        )
    items, *examples = (
        _by_subject(read_part("mmlu", part, data[part])) for part in ("test", "dev") if part in data
    )
    return items, examples[0] if examples else None


def _of_archive(rows: pl.DataFrame) -> pl.DataFrame:
    answer = pl.col("answer").replace_strict(list(LETTERS), range(4), return_dtype=pl.Int64)
    return rows.select(
        "row_key", "subject", "question", choices=pl.concat_list(LETTERS), answer=answer
    )


def _by_subject(rows: pl.DataFrame) -> pl.DataFrame:
    number = pl.int_range(1, pl.len() + 1).over("subject").cast(pl.String)
    return rows.select(
        subset="subject", item=number, question="question", choices="choices", answer="answer"
    )


READERS: dict[str, Callable[[Parts], tuple[pl.DataFrame, pl.DataFrame | None]]] = {
    "gsm8k": _gsm8k,
    "mmlu": _mmlu,
    "arc_challenge": _arc_challenge,
    "truthfulqa": _truthfulqa,
    "humaneval": _humaneval,
    "mbpp": _mbpp,
}
