"""What tables print of a benchmark is the metric that its answers are scored by."""

import pytest

from transforms.benchmarks.academic.items import READERS
from transforms.benchmarks.sets import BENCHMARKS
from transforms.lake.query import SQL


@pytest.mark.parametrize("name", READERS)
def test_the_papers_tables_print_the_metric_of_the_score(name):
    printed = (SQL / "staging" / "policy_scores.sql").read_text()
    assert f"('{name}', '{BENCHMARKS[name].metric}', " in printed
