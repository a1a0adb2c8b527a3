"""Real rows of the datasets, read as a recipe reads them. Nothing of them is in the repository."""

import gzip
import json

import pytest

from transforms.settings.sources import SourceSettings
from transforms.sources.files.reading import read_batches
from transforms.sources.intake.preferences import split_pairs
from transforms.sources.intake.sources import resolve


@pytest.fixture
def kept_and_dropped(real_data):
    def split(name, file, **options):
        path = real_data / file
        if not path.exists():
            pytest.skip(f"no {file} in the folder of real data")
        source = resolve(name, SourceSettings(files=(str(path),), options=options))
        batches = list(read_batches(name, source.origin, source.entry.native))
        assert all(batch.malformed.is_empty() for batch in batches)
        (rows,) = (batch.rows for batch in batches)
        candidates = source.layout("preferences")(rows, source.options)
        rules = source.entry.rules(source.options)
        kept, dropped = split_pairs(name, candidates, source.options, rules)
        assert kept.height + dropped.height == candidates.height
        return kept, dropped

    return split


def reasons(dropped):
    return dict(dropped["reason"].value_counts().rows())


def test_shp(kept_and_dropped):
    kept, dropped = kept_and_dropped("shp", "native_rows/shp_native_1row.jsonl")
    assert kept.select("chosen_score", "rejected_score").rows() == [(340.0, 166.0)]
    assert kept["chosen"][0][0]["content"].startswith("Pectinex, perhaps?")
    assert dropped.is_empty()
    _, dropped = kept_and_dropped(
        "shp", "native_rows/shp_native_1row.jsonl", score_ratio_above=2.0481927711
    )
    assert reasons(dropped) == {"score_ratio": 1}


def test_pku(kept_and_dropped, real_data):
    file = "native_rows/pku_saferlhf_native_4rows.jsonl"
    kept, dropped = kept_and_dropped("pku_saferlhf_30k", file)
    assert dropped.is_empty()
    rows = [json.loads(line) for line in (real_data / file).read_text("utf-8").split("\n") if line]
    chosen = [row[f"response_{row['safer_response_id']}"] for row in rows]
    assert [side[0]["content"] for side in kept["chosen"].to_list()] == chosen
    # no row of the four has two labels that differ
    assert kept_and_dropped("pku_saferlhf_30k", file, drop_disputed=True)[0].equals(kept)
    assert kept_and_dropped("pku_saferlhf_30k", file, label="better")[0].equals(kept)


@pytest.mark.parametrize(
    ("part", "rows", "counts"),
    [
        (
            "helpful",
            2354,
            {"turn_mismatch": 9, "odd_turns": 6, "empty_turn": 4, "identical_response": 2},
        ),
        ("harmless", 2312, {"turn_mismatch": 5, "odd_turns": 4, "empty_turn": 4}),
    ],
)
def test_hh_rlhf(kept_and_dropped, real_data, part, rows, counts):
    file = f"hh-rlhf/{part}-base_test.jsonl.gz"
    kept, dropped = kept_and_dropped("hh_rlhf", file)
    assert kept.height + dropped.height == rows
    assert reasons(dropped) == counts
    with gzip.open(real_data / file, "rt", encoding="utf-8", newline="\n") as lines:
        last = [json.loads(line)["chosen"].rsplit("\n\nAssistant:", 1)[1].strip() for line in lines]
    number = kept["row_key"].str.extract(r":(\d+)$").cast(int)
    said = [side[0]["content"] for side in kept["chosen"].to_list()]
    assert said == [last[row - 1] for row in number]
