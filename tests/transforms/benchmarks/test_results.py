import math

import polars as pl
import pytest

from transforms.benchmarks.results import CUT, UNSCORED, find_warnings, summarise
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of


def answers(*rows):
    """Rows of (subset, item, repeat, metric values by name)."""
    return pl.DataFrame(
        [
            {
                "subset": subset,
                "item": item,
                "repeat": repeat,
                "scores": [{"metric": name, "value": value} for name, value in scores.items()],
            }
            for subset, item, repeat, scores in rows
        ],
        schema={
            name: schema_of("benchmark_answers")[name]
            for name in ("subset", "item", "repeat", "scores")
        },
    )


def accuracy(subset, right, wrong):
    values = [1.0] * right + [0.0] * wrong
    return [(subset, f"{n}", 0, {"accuracy": value}) for n, value in enumerate(values)]


def test_one_subset_has_the_binomial_error():
    row = summarise(answers(*accuracy("gsm8k", 30, 90))).row(0, named=True)
    assert row["value"] == pytest.approx(25.0)
    assert row["standard_error"] == pytest.approx(100 * math.sqrt(0.25 * 0.75 / 120), rel=0.05)
    assert row["low"] < 25.0 < row["high"]
    assert (row["subset"], row["items"], row["unscored_items"]) == ("all", 120, 0)
    assert row["interval"] == "95% BCa bootstrap over items"


def test_items_count_once_over_subsets_of_different_size():
    rows = summarise(answers(*accuracy("law", 0, 30), *accuracy("maths", 10, 0)), clustered=True)
    assert rows["subset"].to_list() == ["all", "law", "maths"]
    assert rows["value"].to_list() == pytest.approx([25.0, 0.0, 100.0])


def test_alike_items_make_the_clustered_error_larger():
    subsets = [row for n in range(10) for row in accuracy(f"s{n}", *((9, 1) if n % 2 else (1, 9)))]
    clustered, plain = (
        summarise(answers(*subsets), clustered=clustered)["standard_error"][0]
        for clustered in (True, False)
    )
    assert clustered > 2 * plain
    assert clustered == pytest.approx(100 * 0.4 / math.sqrt(10), rel=0.1)


def test_repeats_of_an_item_are_drawn_together():
    once = answers(*(("s", f"{n}", 0, {"m": float(n % 2)}) for n in range(20)))
    thrice = answers(
        *(("s", f"{n}", repeat, {"m": float(n % 2)}) for n in range(20) for repeat in range(3))
    )
    assert summarise(once).equals(summarise(thrice))


def test_what_was_not_scored_is_counted():
    rows = summarise(
        answers(("s", "0", 0, {"m": 1.0}), ("s", "1", 0, {"m": None}), ("s", "2", 0, {}))
    )
    assert rows.select("items", "unscored_items").row(0) == (1, 2)
    none = summarise(answers(("s", "0", 0, {})))
    assert none.select("metric", "value", "items", "unscored_items").row(0) == ("score", None, 0, 1)


KEY = {"experiment": "e", "benchmark": "humaneval", "model": "m"}


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def fill(lake, reasons, unscored):
    rows = [KEY | {"item": str(n), "finish_reason": reason} for n, reason in enumerate(reasons)]
    figures = KEY | {"subset": "all", "unscored_items": unscored}
    for table, found in (("benchmark_answers", rows), ("benchmark_results", [figures])):
        lake.append(table, pl.DataFrame(found, schema=schema_of(table)))


def test_scored_texts_that_ended_leave_no_warning(lake):
    fill(lake, ["stop"] * 9 + ["length"], unscored=0)
    assert find_warnings(lake, "e", "humaneval") == {}


def test_unscored_and_cut_answers_are_warned_of(lake):
    fill(lake, ["stop", "length"], unscored=2)
    assert find_warnings(lake, "e", "humaneval") == {
        UNSCORED: "m: 2 items have no score",
        CUT: "m: 50% of the answers end at max_tokens",
    }


def test_choices_are_no_texts(lake):
    fill(lake, [None, None], unscored=0)
    assert find_warnings(lake, "e", "humaneval") == {}
