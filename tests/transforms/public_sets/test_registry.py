import pytest

from transforms.public_sets.registry import (
    BENCHMARK_SETS,
    HARNESSES,
    SCREENINGS,
    build_benchmark_columns,
    list_report_columns,
)
from transforms.sources.files.json_rows import to_arrow_schema


@pytest.mark.parametrize("name", BENCHMARK_SETS)
def test_every_set_can_be_read_is_used_and_has_its_origin(name):
    entry = BENCHMARK_SETS[name]
    for part in entry.parts.values():
        assert to_arrow_schema(part.native).names == list(part.native)
        assert set(part.contains) <= set(entry.parts)
    assert {part for group in entry.needs for part in group} <= set(entry.parts)
    assert "https://" in entry.facts or "hub" in entry.facts
    measured = [entry.harness, entry.judge_rules, entry.labelled_pairs]
    assert sum(one is not None for one in measured) == 1


@pytest.mark.parametrize("name", SCREENINGS)
def test_the_screened_columns_are_columns_of_the_part(name):
    entry = BENCHMARK_SETS[name]
    native = entry.parts[entry.screening.part].native
    assert entry.screening.columns <= {*native, "row_key"}


def test_reports_have_the_papers_columns_in_the_papers_order():
    table_4 = ["alpaca_eval_lc", "mt_bench", "arena_hard"]
    table_5 = ["gsm8k", "mmlu", "humaneval", "truthfulqa", "arc", "mbpp"]
    table_6 = ["alpaca_eval_lc", "arena_hard", "response_length", *table_5]
    for report, columns in (
        ("chat_benchmarks", table_4),
        ("academic_benchmarks", table_5),
        ("ablations", table_6),
    ):
        assert [column.name for column in list_report_columns(report)] == columns
    assert build_benchmark_columns().select("report", "name").is_duplicated().any() is False


@pytest.mark.parametrize("name", HARNESSES)
def test_the_metric_is_one_of_the_harness_or_of_programs(name):
    entry = BENCHMARK_SETS[name]
    metrics = {metric for task in entry.harness.tasks for metric in task.metrics.values()}
    programs = {"pass_at_1"} if any(task.program for task in entry.harness.tasks) else set()
    assert entry.metric in metrics | programs
