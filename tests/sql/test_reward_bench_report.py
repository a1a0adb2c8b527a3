"""Table 2 over literal results."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.empty_reports import explain_empty
from transforms.views.query import connect_frames, query, report

SECTIONS = ("Chat", "Chat Hard", "Safety", "Reasoning")


def result(section, metric, value, **changes):
    return {
        "bench": "reward_bench", "model": "reward_model", "model_id": "c0", "kind": "reward_model",
        "mixture": "mix1", "weights": "reference", "level": "section", "name": section,
        "metric": metric, "value": value, "standard_error": 1.5, "pairs": 10, "unscored_pairs": 1,
        "missing": "",
    } | changes  # fmt: skip


def results(first=60.0, **changes):
    return [
        result(section, metric, value + number, **changes)
        for metric, value in (("pair_accuracy", first), ("longer_wins", 40.0))
        for number, section in enumerate(SECTIONS)
    ]


def rows_of(*rows):
    frame = pl.DataFrame(rows, schema=schema_of("reward_bench_results"))
    with connect_frames({"reward_bench_results": frame}) as connection:
        return report(connection, "reward_bench")


def test_a_model_stands_beside_length_and_the_paper():
    found = rows_of(*results())
    ours = found.row(0, named=True)
    assert ours == {
        "origin": "ours", "model": "reward_model", "kind": "reward_model", "mixture": "mix1",
        "weights": "reference",
        "chat": 60.0, "chat_se": 1.5, "chat_longer": 40.0, "chat_longer_se": 1.5,
        "chat_hard": 61.0, "chat_hard_se": 1.5, "chat_hard_longer": 41.0,
        "chat_hard_longer_se": 1.5,
        "safety": 62.0, "safety_se": 1.5, "safety_longer": 42.0, "safety_longer_se": 1.5,
        "reasoning": 63.0, "reasoning_se": 1.5, "reasoning_longer": 43.0,
        "reasoning_longer_se": 1.5,
        "pairs": 40, "unscored_pairs": 4, "missing": None, "model_id": "c0",
    }  # fmt: skip
    paper = found.filter(origin="paper")
    assert paper.height == 7
    best = paper.filter(model="LLaMA-3-8B-it", kind="preference_model")
    assert best.select("mixture", "chat", "chat_hard", "safety", "reasoning").rows() == [
        ("mix2", 98.6, 65.8, 89.6, 94.9)
    ]


def test_rows_are_models_mixtures_and_weights():
    found = rows_of(
        *results(),
        *results(50.0, mixture="mix2", model_id="c1"),
        *results(70.0, weights="before_2024_09"),
        *results(80.0, model="preference_model", kind="preference_model"),
    ).filter(origin="ours")
    assert found.select("model", "mixture", "weights", "chat").rows() == [
        ("preference_model", "mix1", "reference", 80.0),
        ("reward_model", "mix1", "before_2024_09", 70.0),
        ("reward_model", "mix1", "reference", 60.0),
        ("reward_model", "mix2", "reference", 50.0),
    ]


def test_a_section_with_a_missing_subset_is_null_and_named():
    rows = [
        row | {"value": None, "standard_error": None, "missing": "donotanswer"}
        if row["name"] == "Safety"
        else row
        for row in results()
    ]
    found = rows_of(*rows).row(0, named=True)
    assert (found["safety"], found["safety_longer"], found["missing"]) == (
        None,
        None,
        "donotanswer",
    )
    assert found["chat"] == 60.0


def test_subsets_and_other_sets_are_no_rows():
    subset = result("hep-go", "pair_accuracy", 1.0, level="subset", weights=None)
    other = result("Chat", "pair_accuracy", 1.0, bench="llmbar", weights="equal")
    assert rows_of(subset, other).is_empty()
    assert rows_of(*results(), subset, other).equals(rows_of(*results()))


def test_every_set_has_its_rows_and_the_empty_table_2_says_why():
    rows = [
        result("Natural", metric, value, bench="llmbar", weights="equal")
        for metric, value in (("pair_accuracy", 75.0), ("longer_wins", 50.0))
    ]
    rows.append(result("llmbar-natural", "pair_accuracy", 74.0, bench="llmbar", level="subset",
                       weights=None))  # fmt: skip
    frame = pl.DataFrame(rows + results(), schema=schema_of("reward_bench_results"))
    with connect_frames({"reward_bench_results": frame}) as connection:
        found = report(connection, "labelled_pairs")
    columns = ("bench", "level", "name", "accuracy", "accuracy_se", "longer_wins", "pairs")
    assert found.filter(bench="llmbar").select(columns).rows() == [
        ("llmbar", "section", "Natural", 75.0, 1.5, 50.0, 10),
        ("llmbar", "subset", "llmbar-natural", 74.0, 1.5, None, 10),
    ]
    assert found.filter(bench="reward_bench")["name"].to_list() == sorted(SECTIONS)
    frame = frame.filter(bench="llmbar")
    with connect_frames({"reward_bench_results": frame}) as connection:
        assert report(connection, "reward_bench").is_empty()
        reason = explain_empty(connection, "reward_bench")
    assert "reward_bench_results has 3 rows, and the report selects none of them" in reason
    assert "Other sets are in labelled_pairs" in reason


@pytest.mark.parametrize("model", ["LLaMA-3-8B-it", "Gemma-2B-it"])
def test_the_papers_models_are_there_as_all_three_kinds(model):
    with connect_frames({}) as connection:
        paper = query(connection, "from published_reward_bench").filter(model=model)
    assert sorted(paper["kind"]) == ["judge", "preference_model", "reward_model"]
