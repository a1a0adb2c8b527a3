"""The tables of sizes follow the code."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "sizing.py"


@pytest.fixture(scope="module")
def sizing() -> dict:
    return runpy.run_path(str(SCRIPT))


def test_the_tables_are_up_to_date(sizing: dict) -> None:
    assert sizing["PAGE"].read_text(encoding="utf-8") == sizing["write_page"](), "run `make docs`"


def test_commits_are_limited_by_rows_by_time_and_by_chunks(sizing: dict) -> None:
    size = sizing["plan_size"](20_000, 8)
    seconds = size.work["generations"]["elapsed_s"]
    assert size.responses == 160_000
    assert size.chunks == 79
    assert 160_000 / 65_536 < seconds / 60 < 79
    assert size.commits == -(-seconds // 60)
    assert sizing["plan_size"](2_000_000, 2048).commits == 245  # 16 million responses by rows
    assert sizing["time_commits"](1000) == pytest.approx(
        sizing["COMMIT_MS"].value + sizing["VERSION_US"].value / 2
    )
