"""What tables print of a benchmark is the metric that its answers are scored by."""

from transforms.benchmarks.sets import BENCHMARKS
from transforms.tables.query import SQL


def test_the_papers_tables_print_the_metric_of_the_score():
    printed = (SQL / "staging" / "policy_scores.sql").read_text()
    for name, entry in BENCHMARKS.items():
        assert f"('{name}', '{entry.metric}', " in printed
