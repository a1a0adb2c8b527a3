"""The guide lists entries that exist, and every format of a training library."""

import re
from pathlib import Path

from transforms.sources.catalog import CATALOGUE, llama_factory, open_rlhf, trl

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "preference_lake.md"


def test_the_guide_lists_the_formats_of_training_libraries():
    text = GUIDE.read_text(encoding="utf-8")
    table = text[text.index("| format of |") : text.index("| of the paper |")]
    named = set(re.findall(r"`(\w+)`", table))
    assert named <= set(CATALOGUE)
    assert {*trl.ENTRIES, *llama_factory.ENTRIES, *open_rlhf.ENTRIES} <= named
