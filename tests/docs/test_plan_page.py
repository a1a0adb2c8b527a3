"""The printed plans in the guide follow the code."""

import runpy
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plan_page.py"


def test_the_printed_plans_are_up_to_date() -> None:
    page = runpy.run_path(str(PAGE))
    assert page["PAGE"].read_text(encoding="utf-8") == page["write_page"](), "run `make docs`"
