"""An error about columns names those of the file and the entries that fit."""

import json

import pytest

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.settings.sources import SourceSettings
from transforms.sources.intake.ingest import ingest
from transforms.sources.intake.sources import resolve


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_source_without_the_columns_of_its_entry_says_which_entry_fits(tmp_path, ending):
    path = tmp_path / f"pairs.{ending}"
    row = {"instruction": "q", "chosen": "yes", "rejected": "no", "n": 1}
    lines = [json.dumps(row)] if ending == "jsonl" else [",".join(row), "q,yes,no,1"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    source = resolve("mine", SourceSettings(entry="trl_pairs", files=(str(path),)))
    with pytest.raises(InputError) as error:
        ingest(Lake(tmp_path / "lake"), source)
    said = str(error.value)
    number = "int64" if ending == "jsonl" else "text"
    assert f"The file has instruction: text, chosen: text, rejected: text, n: {number}" in said
    assert "use an entry that fits: llama_factory_pairs, hh_rlhf; prefloop sources FILE" in said
    assert not Lake(tmp_path / "lake").exists("raw_mine")
