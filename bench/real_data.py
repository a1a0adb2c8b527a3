"""Folder of the real data that the benchmarks read."""

import os
from pathlib import Path

DATA = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
