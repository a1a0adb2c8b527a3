import json

import polars as pl
import pytest

from transforms.benchmarks.reward_bench.pairs import (
    read_bench_set,
    resolve_bench_set,
    to_bench_pairs,
)
from transforms.errors import InputError
from transforms.public_sets.registry import BENCHMARK_SETS
from transforms.settings.sources import OriginSettings

JUDGED = {"question": "Why?", "response_A": "so", "response_B": "no", "source": "mmlu-pro-law"}
LLMBAR = {"input": "Why?", "output_1": "so", "output_2": "no", "label": 1}
STYLED = {"prompt": "Why?", "chosen": ["a", "b", "c"], "rejected": ["x", "y", "z"]}


def raw(name, *rows, origin="file"):
    schema = {"row_key": pl.String, **BENCHMARK_SETS[name].parts["pairs"].native}
    keyed = [{"row_key": f"{origin}:{number}", **row} for number, row in enumerate(rows, 1)]
    return pl.DataFrame(keyed, schema=schema)


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("reward_bench", [{"prompt": "a", "chosen": "b", "subset": "s", "id": 1}], "no text on a"),
        ("reward_bench", [{"prompt": "", "chosen": "", "rejected": "", "id": 1}], "no subset"),
        ("llmbar", [LLMBAR], "no subset, or an unknown one: 1 pairs, the first file:1"),
        ("judge_bench", [JUDGED | {"pair_id": "1", "label": "A=B"}], "no label"),
        ("judge_bench", [JUDGED | {"pair_id": None, "label": "A>B"}], "no identifier"),
        ("judge_bench", [JUDGED | {"pair_id": "1", "label": "A>B"}] * 2, "twice: 2 pairs"),
        ("rm_bench", [STYLED | {"chosen": ["a", "b"]}], "no text on a side: 9 pairs"),
        ("rm_bench", [STYLED | {"rejected": ["a", "b", "c", "d"]}], "no text on a side: 9 pairs"),
    ],
)
def test_what_cannot_be_judged(name, rows, said):
    with pytest.raises(InputError, match=f"bench set {name} has pairs") as error:
        to_bench_pairs(name, raw(name, *rows))
    assert said in str(error.value)


def test_where_a_set_is_read_from():
    hub = resolve_bench_set("reward_bench", OriginSettings(revision="c0ffee"))
    assert (hub.hub_id, hub.hub_split) == ("allenai/reward-bench", "filtered")
    claude = OriginSettings(revision="c0ffee", hub_split="claude")
    assert resolve_bench_set("judge_bench", claude).hub_split == "claude"
    files = resolve_bench_set("reward_bench", OriginSettings(files=("rows.parquet",)))
    assert (files.hub_id, files.files) == (None, ("rows.parquet",))


@pytest.mark.parametrize(
    ("name", "origin", "said"),
    [
        ("reward_bunch", OriginSettings(files=("a",)), "no such set .*reward_bench"),
        ("reward_bench", OriginSettings(), "name files, or a revision"),
        ("rm_bench", OriginSettings(revision="c0ffee"), "name files, or a revision"),
    ],
)
def test_an_origin_that_cannot_be_resolved_is_refused(name, origin, said):
    with pytest.raises(ValueError, match=said):
        resolve_bench_set(name, origin)


def test_a_row_that_does_not_fit_stops_the_reading(tmp_path):
    file = tmp_path / "llmbar_Natural.json"
    file.write_text(json.dumps([LLMBAR, {**LLMBAR, "label": "first"}]))
    with pytest.raises(InputError, match="rows that do not fit") as error:
        read_bench_set("llmbar", OriginSettings(files=(str(file),)))
    assert "llmbar_Natural.json:2" in str(error.value)
