"""Exports of one pair and one response, read by the libraries that are installed."""

import json
from datetime import UTC, datetime
from pathlib import Path

import datasets
import polars as pl
import pytest
from trl.data_utils import is_conversational

from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.views.training_data import FORMATS, format_rows, read_rows

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "export.md"
PROMPTS = schema_of("prompts")
SLICE = {"experiment": "e", "iteration": 1, "prompt_id": "p"}
ASKED = [{"role": "system", "content": "be short"}, {"role": "user", "content": "a “colour”?"}]
RED = [{"role": "assistant", "content": "red"}]
BLUE = [{"role": "assistant", "content": "blue\nsky"}]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("study"))
    key = {**SLICE, "response_index": 0}
    pair = {"prompt": ASKED, "chosen": RED, "rejected": BLUE, "margin": 0.5}
    indices = {"chosen_response_index": 0, "rejected_response_index": 1}
    for table, row in (
        ("prompts", {"prompt_id": "p", "prompt": ASKED}),
        ("generations", {**key, "response": "red"}),
        ("scores", {**key, "ranker": "reward_model", "reward": 1.5}),
        ("dpo_pairs", {**SLICE, **pair, **indices}),
    ):
        lake.append(table, pl.DataFrame([row], schema=schema_of(table)))
    return lake


def export(lake: Lake, kind: str, form: str) -> str:
    return "".join(format_rows(read_rows(lake, "e/1", kind), kind, form))


def load(lake: Lake, tmp_path: Path, kind: str, form: str) -> dict:
    file = tmp_path / "rows.jsonl"
    file.write_text(export(lake, kind, form), encoding="utf-8")
    (row,) = datasets.load_dataset("json", data_files=str(file), cache_dir=str(tmp_path))["train"]
    return row


def test_trl_reads_conversational_pairs_and_completions(lake, tmp_path):
    pair = load(lake, tmp_path, "pairs", "trl")
    assert pair == {"prompt": ASKED, "chosen": RED, "rejected": BLUE}
    assert is_conversational(pair)
    response = load(lake, tmp_path, "responses", "trl")
    assert response == {"prompt": ASKED, "completion": RED, "reward": 1.5}
    assert is_conversational(response)


def test_openrlhf_gets_whole_conversations(lake):
    assert json.loads(export(lake, "pairs", "openrlhf")) == {
        "chosen": ASKED + RED,
        "rejected": ASKED + BLUE,
    }
    response = json.loads(export(lake, "responses", "openrlhf"))
    assert response == {"input": ASKED, "output": RED, "reward": 1.5}


def test_llama_factory_gets_the_columns_that_the_guide_names(lake):
    pair = json.loads(export(lake, "pairs", "llama_factory"))
    asked = {"from": "human", "value": "a “colour”?"}
    assert pair == {
        "system": "be short",
        "conversations": [asked],
        "chosen": {"from": "gpt", "value": "red"},
        "rejected": {"from": "gpt", "value": "blue\nsky"},
    }
    entries = json.loads(GUIDE.read_text().split("```json")[1].split("```")[0])
    assert set(entries["prefloop_pairs"]["columns"].values()) == set(pair)
    response = json.loads(export(lake, "responses", "llama_factory"))
    assert set(entries["prefloop_responses"]["columns"].values()) == set(response) - {"reward"}
    assert response["conversations"] == [asked, {"from": "gpt", "value": "red"}]


def test_argilla_gets_an_array_of_records(lake):
    (pair,) = json.loads(export(lake, "pairs", "argilla"))
    assert pair["id"] == "e/1/p/0-1"
    assert pair["fields"] == {"prompt": ASKED, "chosen": "red", "rejected": "blue\nsky"}
    assert pair["metadata"] == {**SLICE, "margin": 0.5}  # no value: left out
    (response,) = json.loads(export(lake, "responses", "argilla"))
    assert response["metadata"]["reward"] == 1.5


@pytest.mark.parametrize("form", FORMATS)
def test_every_line_is_an_object_or_the_file_an_array(lake, form):
    rows = read_rows(lake, "e", "pairs")
    text = "".join(format_rows(pl.concat([rows, rows]), "pairs", form))
    found = json.loads(text) if form == "argilla" else [*map(json.loads, text.splitlines())]
    assert len(found) == 2


def test_responses_keep_their_order_and_the_prompts_of_their_time(tmp_path):
    lake = Lake(tmp_path)
    lake.append("prompts", pl.DataFrame([{"prompt_id": "p", "prompt": ASKED}], PROMPTS))
    keys = [{**SLICE, "response_index": index} for index in (2, 0, 1)]
    lake.append("generations", pl.DataFrame(keys, schema=schema_of("generations")))
    scores = [{**key, "ranker": ranker} for key in keys[::-1] for ranker in ("second", "first")]
    lake.append("scores", pl.DataFrame(scores, schema=schema_of("scores")))
    before = datetime.now(UTC).isoformat()
    lake.overwrite("prompts", pl.DataFrame([{"prompt_id": "q", "prompt": ASKED}], PROMPTS))
    with pytest.raises(InputError, match="no prompt p, and 6 responses without a prompt"):
        read_rows(lake, "e/1", "responses")
    rows = read_rows(lake, f"e/1@{before}", "responses")
    assert rows.select("response_index", "ranker").rows() == [
        (index, ranker) for index in (2, 0, 1) for ranker in ("second", "first")
    ]
    assert rows["prompt"].to_list() == [ASKED] * 6


def test_a_slice_without_rows_is_refused(lake):
    with pytest.raises(InputError, match="no such rows"):
        read_rows(lake, "e/2", "pairs")
