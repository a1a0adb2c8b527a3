"""Evaluation sets that prompts can be screened against: native columns, and the texts of an item.

Lives here: what is known of each set, as data. Not here: reading
(`transforms.sources.files.reading`, `transforms.prompts.mmlu`) and screening
(`transforms.prompts.decontamination`).

Screened is what a model is asked, never an answer. Of multiple-choice questions that is the
question alone: datasets write the choices in many ways, with and without letters, so that words of
two choices stand in a row in one of them only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from transforms.errors import InputError
from transforms.lake.enforcement import enforce
from transforms.sources.files.reading import ROW_KEY


@dataclass(frozen=True)
class EvaluationSet:
    """One evaluation set, in the layout in which its authors publish it."""

    facts: str
    """Where the set and its layout are from."""
    native: Mapping[str, pl.DataType | type[pl.DataType]]
    """Native columns that are read, with types."""
    texts: pl.Expr
    """Texts of an item, a list of strings: the turns of a conversation, or one text."""
    item: pl.Expr
    """Identifier of the item, text."""
    hub_id: str | None = None
    """Dataset id on the Hugging Face hub, where its default configuration has these columns; null
    where it has others, or where the hub has the set in several configurations."""
    hub_split: str = "test"
    """Split of the hub dataset."""


def _only(column: str) -> pl.Expr:
    return pl.concat_list(pl.col(column))


EVALUATION_SETS = {
    "alpaca_eval": EvaluationSet(
        facts="AlpacaEval 2 (arXiv 2404.04475), 805 instructions; the json array of a model's "
        "outputs in https://github.com/tatsu-lab/alpaca_eval, results/<model>/model_outputs.json. "
        "Items have no id: the row is taken.",
        native={"dataset": pl.String, "instruction": pl.String},
        texts=_only("instruction"),
        item=pl.col(ROW_KEY),
    ),
    "arena_hard_v0.1": EvaluationSet(
        facts="Arena-Hard (arXiv 2406.11939), 500 questions of one turn; "
        "https://github.com/lmarena/arena-hard-auto, data/arena-hard-v0.1/question.jsonl.",
        native={"question_id": pl.String, "turns": pl.List(pl.Struct({"content": pl.String}))},
        texts=pl.col("turns").list.eval(pl.element().struct.field("content")),
        item=pl.col("question_id"),
    ),
    "arena_hard_v2.0": EvaluationSet(
        facts="Arena-Hard v2.0, 750 prompts, 250 of them creative writing, many not English; "
        "https://github.com/lmarena/arena-hard-auto, data/arena-hard-v2.0/question.jsonl.",
        native={"uid": pl.String, "category": pl.String, "prompt": pl.String},
        texts=_only("prompt"),
        item=pl.col("uid"),
    ),
    "mt_bench": EvaluationSet(
        facts="MT-Bench (arXiv 2306.05685), 80 questions of two turns; "
        "https://github.com/lm-sys/FastChat, fastchat/llm_judge/data/mt_bench/question.jsonl.",
        native={"question_id": pl.Int64, "turns": pl.List(pl.String)},
        texts=pl.col("turns"),
        item=pl.col("question_id").cast(pl.String),
    ),
    "humaneval": EvaluationSet(
        facts="HumanEval (arXiv 2107.03374), 164 tasks, signature and docstring; "
        "https://github.com/openai/human-eval, data/HumanEval.jsonl.gz.",
        native={"task_id": pl.String, "prompt": pl.String},
        texts=_only("prompt"),
        item=pl.col("task_id"),
        hub_id="openai/openai_humaneval",
    ),
    "mbpp": EvaluationSet(
        facts="MBPP (arXiv 2108.07732), 974 tasks, of which 11 to 510 are the test split; "
        "https://github.com/google-research/google-research, mbpp/mbpp.jsonl.",
        native={"task_id": pl.Int64, "text": pl.String},
        texts=_only("text"),
        item=pl.col("task_id").cast(pl.String),
        hub_id="google-research-datasets/mbpp",
    ),
    "gsm8k": EvaluationSet(
        facts="GSM8K (arXiv 2110.14168), 1,319 test problems; "
        "https://github.com/openai/grade-school-math, grade_school_math/data/test.jsonl. Items "
        "have no id: the row is taken.",
        native={"question": pl.String, "answer": pl.String},
        texts=_only("question"),
        item=pl.col(ROW_KEY),
    ),
    "arc_challenge": EvaluationSet(
        facts="ARC (arXiv 1803.05457), Challenge set, 1,172 test questions, in the columns of the "
        "hub's allenai/ai2_arc.",
        native={"id": pl.String, "question": pl.String},
        texts=_only("question"),
        item=pl.col("id"),
    ),
    "truthfulqa": EvaluationSet(
        facts="TruthfulQA (arXiv 2109.07958), 817 questions; "
        "https://github.com/sylinrl/TruthfulQA, TruthfulQA.csv. Items have no id: the row is "
        "taken.",
        native={"Category": pl.String, "Question": pl.String},
        texts=_only("Question"),
        item=pl.col(ROW_KEY),
    ),
    "mmlu": EvaluationSet(
        facts="MMLU (arXiv 2009.03300), 14,042 test questions of 57 subjects; "
        "https://github.com/hendrycks/test, a zip that `mmlu` reads. "
        "Items have no id: the row is taken.",
        native=dict.fromkeys(("subject", "question", "A", "B", "C", "D", "answer"), pl.String),
        texts=_only("question"),
        item=pl.col(ROW_KEY),
    ),
}


def evaluation_set(name: str) -> EvaluationSet:
    """Look a set up.

    Raises:
        InputError: no set has that name.
    """
    if name not in EVALUATION_SETS:
        raise InputError(
            f"no evaluation set is called {name}",
            expected=f"one of {', '.join(EVALUATION_SETS)}",
            found=name,
            remedy="correct the name in the recipe, or add the set to EVALUATION_SETS",
        )
    return EVALUATION_SETS[name]


def to_evaluation_texts(name: str, raw: pl.DataFrame) -> pl.DataFrame:
    """Native rows (and `row_key`) to `evaluation_texts`, in the order of the rows.

    An item of several turns gives a row each, `<item>:1`, `<item>:2`.

    Raises:
        InputError: no set has that name; an item has no text or no identifier, or two have one.
    """
    entry = evaluation_set(name)
    listed = raw.select(
        pl.lit(name).alias("evaluation_set"), entry.item.alias("item"), entry.texts.alias("text")
    )
    turns = pl.col("text").list.len()
    numbered = listed.with_columns(turns=turns, turn=pl.int_ranges(1, turns + 1))
    rows = numbered.explode("text", "turn", empty_as_null=True).with_columns(
        item=pl.when(pl.col("turns") > 1).then(pl.format("{}:{}", "item", "turn")).otherwise("item")
    )
    unsound = {
        "no text": pl.col("text").is_null(),
        "no identifier": pl.col("item").is_null(),
        "an identifier twice": pl.col("item").is_duplicated(),
    }
    for found, where in unsound.items():
        if (items := rows.filter(where)["item"]).len():
            raise InputError(
                f"evaluation set {name} cannot be screened against",
                expected="one text an item, and an identifier of its own for each item",
                found=f"{found}: {items.len()} items, the first {items[0]}",
                remedy="name the set's published file, once",
            )
    return enforce("evaluation_texts", rows.select("evaluation_set", "item", "text"))
