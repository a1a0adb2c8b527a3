"""Inputs of the benchmarks: the folder of real data, and words of made-up texts."""

import os
from pathlib import Path

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
"""Folder of real data; files may be missing there."""

WORDS = [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("a", "en", "il", "or", "umi", "eto", "ask")]
"""Words of texts that are made up."""
