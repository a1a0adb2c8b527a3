"""Exports loaded with the libraries that they are for; each test is skipped without its library.

    pip install --no-deps --target FOLDER openrlhf pylatexenc llamafactory argilla standardwebhooks

and FOLDER in PYTHONPATH: their data sets need neither a GPU nor their other dependencies.
"""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tests.json_handler import JsonHandler
from transforms.lake.schemas import schema_of
from transforms.views.training_data import format_rows

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "export.md"
ASKED = [
    {"role": "system", "content": "be short"},
    {"role": "user", "content": "a “colour”?"},
    {"role": "assistant", "content": "which one?"},
    {"role": "user", "content": "any"},
]
RED = [{"role": "assistant", "content": "red"}]
BLUE = [{"role": "assistant", "content": "blue\nsky"}]
SLICE = {"experiment": "e", "iteration": 1, "prompt_id": "p"}
PAIRS = pl.DataFrame(
    [
        {**SLICE, "prompt": ASKED, "chosen": RED, "rejected": BLUE, "margin": 0.5,
         "chosen_response_index": 0, "rejected_response_index": 1}
    ],
    schema_of("dpo_pairs"),
)  # fmt: skip
RESPONSES = pl.DataFrame(
    [{**SLICE, "response_index": 0, "response": "red", "ranker": "reward_model", "reward": 1.5,
      "prompt": ASKED}]
)  # fmt: skip
TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
RENDERED = (
    "<system>be short<end><user>a “colour”?<end><assistant>which one?<end><user>any<end><assistant>"
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({"<end>": 0, "?": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<end>", pad_token="<end>", chat_template=TEMPLATE
    )


def write(folder: Path, kind: str, form: str) -> Path:
    file = folder / f"{kind}.{'json' if form == 'argilla' else 'jsonl'}"
    rows = PAIRS if kind == "pairs" else RESPONSES
    file.write_text("".join(format_rows(rows, kind, form)), encoding="utf-8")
    return file


def plan_of_openrlhf(**keys: Any) -> SimpleNamespace:
    """What OpenRLHF's data sets read of its strategy: its arguments by section."""
    args = SimpleNamespace(use_ms=False, data=SimpleNamespace(apply_chat_template=True, **keys))
    return SimpleNamespace(args=args, print=lambda *_: None, is_rank_0=lambda: False)


def test_openrlhf_renders_both_sides_of_a_pair(tokenizer, tmp_path):
    datasets = pytest.importorskip("openrlhf.datasets")
    files = pytest.importorskip("openrlhf.datasets.utils")
    plan = plan_of_openrlhf(chosen_key="chosen", rejected_key="rejected")
    rows = files.blending_datasets(str(write(tmp_path, "pairs", "openrlhf")), strategy=plan)
    found = datasets.RewardDataset(rows, tokenizer, 64, plan, is_dpo=True, num_processors=1)
    assert list(found.prompts) == [RENDERED]
    assert list(found.chosens) == ["red<end>"]
    assert list(found.rejects) == ["blue\nsky<end>"]


def test_openrlhf_renders_a_prompt_with_its_response(tokenizer, tmp_path):
    datasets = pytest.importorskip("openrlhf.datasets")
    files = pytest.importorskip("openrlhf.datasets.utils")
    plan = plan_of_openrlhf(input_key="input", output_key="output")
    rows = files.blending_datasets(str(write(tmp_path, "responses", "openrlhf")), strategy=plan)
    found = datasets.SFTDataset(rows, tokenizer, 64, plan, num_processors=1)
    assert list(found.prompts) == [RENDERED]
    assert list(found.responses) == ["red<end>"]


@pytest.mark.parametrize(("kind", "answers"), [("pairs", [*RED, *BLUE]), ("responses", RED)])
def test_llama_factory_aligns_rows_with_the_entries_of_the_guide(
    kind, answers, tmp_path, monkeypatch
):
    monkeypatch.setenv("DISABLE_VERSION_CHECK", "1")
    if find_spec("torchaudio") is None:  # it is imported for sound, which these rows do not have
        silent = ModuleType("torchaudio")
        silent.__spec__ = ModuleSpec("torchaudio", None)
        monkeypatch.setitem(sys.modules, "torchaudio", silent)
    loader = pytest.importorskip("llamafactory.data.loader")
    parser = pytest.importorskip("llamafactory.data.parser")
    entries = GUIDE.read_text(encoding="utf-8").split("```json")[1].split("```")[0]
    (tmp_path / "dataset_info.json").write_text(entries)
    write(tmp_path, kind, "llama_factory")
    (entry,) = parser.get_dataset_list([f"prefloop_{kind}"], str(tmp_path))
    model = SimpleNamespace(cache_dir=str(tmp_path / "cache"), hf_hub_token=None)
    data = SimpleNamespace(
        dataset_dir=str(tmp_path), media_dir=str(tmp_path), streaming=False, max_samples=None,
        preprocessing_num_workers=None, overwrite_cache=True,
    )  # fmt: skip
    training = SimpleNamespace(local_process_index=0)
    (row,) = loader._load_single_dataset(entry, model, data, training)
    assert (row["_prompt"], row["_response"]) == (ASKED[1:], answers)
    assert row["_system"] == "be short"
    assert entry.ranking == (kind == "pairs")


class ArgillaHandler(JsonHandler, BaseHTTPRequestHandler):
    """Answers like a server of Argilla: who is there, and records that are written."""

    server: "ArgillaServer"

    def do_GET(self) -> None:
        self.answer({"id": ID, "username": "me", "role": "owner"})

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.records += body["items"]
        items = [{**record, "id": ID} for record in body["items"]]
        self.answer({"items": items, "updated_item_ids": []})


ID = "00000000-0000-0000-0000-000000000001"


class ArgillaServer(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ArgillaHandler)
        self.records: list[dict[str, Any]] = []


@pytest.fixture
def argilla_server() -> Iterator[ArgillaServer]:
    server = ArgillaServer()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["pairs", "responses"])
def test_argilla_sends_the_records_to_its_server(kind, argilla_server, tmp_path):
    argilla = pytest.importorskip("argilla")
    address = f"http://127.0.0.1:{argilla_server.server_address[1]}"
    client = argilla.Argilla(api_url=address, api_key="key")
    texts = ("chosen", "rejected") if kind == "pairs" else ("response",)
    settings = argilla.Settings(
        fields=[argilla.ChatField("prompt"), *map(argilla.TextField, texts)],
        questions=[argilla.RatingQuestion("rating", values=[1, 2, 3])],
    )
    dataset = argilla.Dataset("prefloop", settings=settings, client=client)
    dataset.id = ID
    dataset.records.from_json(write(tmp_path, kind, "argilla"))
    (record,) = argilla_server.records
    assert record["fields"]["prompt"] == ASKED
    expected = ("red", "blue\nsky") if kind == "pairs" else ("red",)
    assert tuple(record["fields"][name] for name in texts) == expected
    assert record["metadata"].items() >= SLICE.items()
    assert record["external_id"] == ("e/1/p/0-1" if kind == "pairs" else "e/1/p/0-reward_model")
