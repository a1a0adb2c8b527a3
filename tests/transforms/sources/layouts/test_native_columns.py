"""A native column may have any name: those of working columns, too."""

import polars as pl
import pytest

from transforms.settings.source_options import SourceOptions
from transforms.sources.intake.preferences import split_pairs
from transforms.sources.layouts.comparisons import pair_labelled_responses, pair_responses
from transforms.sources.layouts.conversations import make_turn
from transforms.sources.layouts.response_sets import (
    pair_by_labels,
    pair_chosen_with_rejected,
    pair_ranked_responses,
)
from transforms.sources.layouts.rules import Rule
from transforms.sources.layouts.scored_responses import (
    pair_all_responses,
    pair_best_with_worst,
    pair_rows,
)

NAMES = (
    *("prompt", "group", "first", "second", "winner", "alone", "first_text", "second_text"),
    *("text", "score", "model", "number", "best", "worst", "native", "repeated", "chosen_text"),
    *("source", "chosen", "rejected", "rejected_prompt", "margin", "rule", "reason", "evidence"),
    *("table", "split", "verdict", "chosen_messages", "chosen_number", "rule 0", "broken"),
)
QUESTION, A, B = make_turn("user", pl.col("q")), pl.col("a"), pl.col("b")
LAYOUTS = {
    "ranked": pair_ranked_responses(QUESTION, pl.col("texts")),
    "labelled": pair_by_labels(QUESTION, pl.col("texts"), pl.col("labels")),
    "crossed": pair_chosen_with_rejected(QUESTION, pl.col("as"), pl.col("bs"), lambda _: True),
    "scored": pair_all_responses(QUESTION, pl.col("texts"), pl.col("scores")),
    "models": pair_all_responses(QUESTION, pl.col("texts"), pl.col("scores"), pl.col("models")),
    "extremes": pair_best_with_worst(QUESTION, pl.col("texts"), pl.col("scores")),
    "pair": pair_responses(QUESTION, A, B),
    "winner": pair_labelled_responses(QUESTION, A, B, pl.lit(1)),
}
ROW = {
    "row_key": "f:1",
    "q": "q",
    "a": "x",
    "b": "y",
    "texts": ["x", "y"],
    "as": ["x"],
    "bs": ["y"],
    "scores": [2.0, 1.0],
    "models": ["m", "n"],
    "labels": [1],
}
RENAMED = {name: f"native {name}" for name in NAMES}


@pytest.mark.parametrize("name", LAYOUTS)
def test_native_columns_are_kept_whatever_their_names(name):
    candidates = LAYOUTS[name](pl.DataFrame([ROW | RENAMED]), SourceOptions())
    kept, dropped = split_pairs("s", candidates)
    assert dropped.height == 0
    row = kept.row(0, named=True)
    assert row["prompt"] == [{"role": "user", "content": "q"}]
    assert [row[side][0]["content"] for side in ("chosen", "rejected")] == ["x", "y"]
    assert row["source"] == "s"


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("column", sorted({*NAMES} - {"verdict", "chosen_messages"}))
def test_a_rule_of_a_source_reads_its_native_columns(name, column):
    candidates = LAYOUTS[name](pl.DataFrame([ROW | RENAMED]), SourceOptions())
    rule = Rule("own", pl.col(column) == f"native {column}", pl.col(column))
    _, dropped = split_pairs("s", candidates, rules=[rule])
    assert dropped.rows() == [
        ("preference_pairs", "s", candidates["row_key"].item(), "own", f"native {column}")
    ]


@pytest.mark.parametrize("column", NAMES)
def test_the_text_the_prompt_and_the_score_may_have_any_name(column):
    texts = pair_ranked_responses(make_turn("user", pl.col("q")), pl.col(column))
    prompts = pair_ranked_responses(make_turn("user", pl.col(column)), pl.col("texts"))
    scores = pair_all_responses(QUESTION, pl.col("texts"), pl.col(column))
    for layout, value in ((texts, ["x", "y"]), (prompts, "q"), (scores, [2.0, 1.0])):
        kept, _ = split_pairs("s", layout(pl.DataFrame([ROW | {column: value}]), SourceOptions()))
        assert kept["chosen"].item().to_list() == [{"role": "assistant", "content": "x"}]
        assert kept["prompt"].item().to_list() == [{"role": "user", "content": "q"}]


@pytest.mark.parametrize("column", NAMES)
def test_responses_in_rows_of_their_own_may_have_any_names(column):
    rows = [{"row_key": f"f:{n}", "q": "q", "a": text, "s": -n} for n, text in enumerate("xy")]
    raw = pl.DataFrame([row | RENAMED for row in rows])
    for replaced in ("q", "a", "s"):
        named = raw.drop(column).rename({replaced: column})
        columns = {name: pl.col(column if name == replaced else name) for name in ("q", "a", "s")}
        layout = pair_rows(
            columns["q"].meta.output_name(),
            make_turn("user", columns["q"]),
            columns["a"],
            lambda _, score=columns["s"]: score,
        )
        kept, _ = split_pairs("s", layout(named, SourceOptions()))
        assert kept["row_key"].to_list() == ["f:0|f:1"]
        assert kept["chosen"].item().to_list() == [{"role": "assistant", "content": "x"}]
