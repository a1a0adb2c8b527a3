import json
import os
import zipfile
from pathlib import Path

import polars as pl
import pytest

from transforms.errors import InputError
from transforms.prompts.decontamination import find_contaminated
from transforms.prompts.evaluation_texts import (
    read_evaluation_sets,
    resolve_evaluation_set,
    to_evaluation_texts,
)
from transforms.public_sets.registry import BENCHMARK_SETS, SCREENINGS
from transforms.settings.prompts import DecontaminationSettings
from transforms.settings.sources import OriginSettings

REAL = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[4] / "shared" / "data")
)

# file, rows, texts of the published sets
FILES = {
    "alpaca_eval": ("alpaca_eval/baseline_gpt4_1106_preview_outputs.json.gz", 805),
    "arena_hard": ("arena_hard/question_v0.1.jsonl", 500),
    "arena_hard_v2": ("arena_hard/question_v2.0.jsonl.gz", 750),
    "mt_bench": ("mt_bench/question.jsonl", 160),
    "humaneval": ("benchmarks/HumanEval.jsonl.gz", 164),
    "mbpp": ("benchmarks/mbpp.jsonl.gz", 974),
    "gsm8k": ("benchmarks/gsm8k_test.jsonl.gz", 1319),
    "arc_challenge": ("benchmarks/arc_challenge_test.jsonl.gz", 1172),
    "truthfulqa": ("benchmarks/TruthfulQA.csv.gz", 817),
    "mmlu": ("benchmarks/mmlu.zip", 14_042),
}


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return OriginSettings(files=(str(path),))


def test_sets_of_a_recipe_become_one_table(tmp_path):
    origins = {
        "gsm8k": written(tmp_path / "gsm8k.jsonl", {"question": "1 + 1?", "answer": "2"}),
        "mt_bench": written(
            tmp_path / "mt.jsonl", {"question_id": 81, "category": "x", "turns": ["a", "b"]}
        ),
    }
    texts = read_evaluation_sets(origins)
    assert texts.select("evaluation_set", "text").rows() == [
        ("gsm8k", "1 + 1?"),
        ("mt_bench", "a"),
        ("mt_bench", "b"),
    ]


def test_mmlu_is_read_from_its_archive(tmp_path):
    archive = tmp_path / "mmlu.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data/test/anatomy_test.csv", "Which bone?,a,b,c,d,A\n")
    texts = read_evaluation_sets({"mmlu": OriginSettings(files=(str(archive),))})
    assert texts["text"].to_list() == ["Which bone?"]


def test_a_row_that_does_not_fit_stops_the_screening(tmp_path):
    origin = written(tmp_path / "gsm8k.jsonl", {"question": "ok", "answer": "2"}, {"question": 3})
    with pytest.raises(InputError, match=r"gsm8k.jsonl:2"):
        read_evaluation_sets({"gsm8k": origin})


def test_an_unknown_set_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no such set.*gsm8k"):
        resolve_evaluation_set("gsm9k", OriginSettings(files=("x",)))


def test_a_set_needs_files_or_a_revision():
    with pytest.raises(ValueError, match="name files, or a revision"):
        resolve_evaluation_set("gsm8k", OriginSettings())
    found = resolve_evaluation_set("humaneval", OriginSettings(revision="abc"))
    assert (found.hub_id, found.hub_split) == ("openai/openai_humaneval", "test")


def raw(name, *rows):
    entry = BENCHMARK_SETS[name]
    schema = {"row_key": pl.String, **entry.parts[entry.screening.part].native}
    keyed = [{"row_key": f"file:{number}", **row} for number, row in enumerate(rows, 1)]
    return pl.DataFrame(keyed, schema=schema)


@pytest.mark.parametrize(
    ("name", "row", "texts"),
    [
        ("alpaca_eval", {"instruction": "Why?", "generator": "m"}, {"file:1": "Why?"}),
        ("arena_hard", {"question_id": "7f", "turns": [{"content": "Why?"}]}, {"7f": "Why?"}),
        ("arena_hard_v2", {"uid": "2e", "prompt": "Why?"}, {"2e": "Why?"}),
        ("mt_bench", {"question_id": 81, "turns": ["a", "b"]}, {"81:1": "a", "81:2": "b"}),
        ("mt_bench", {"question_id": 81, "turns": ["a"]}, {"81": "a"}),
        ("humaneval", {"task_id": "HumanEval/0", "prompt": "def"}, {"HumanEval/0": "def"}),
        ("mbpp", {"task_id": 1, "text": "Write"}, {"1": "Write"}),
        ("gsm8k", {"question": "How many?", "answer": "4"}, {"file:1": "How many?"}),
        ("arc_challenge", {"id": "Mercury_1", "question": "Which?"}, {"Mercury_1": "Which?"}),
        ("truthfulqa", {"Question": "Is it?"}, {"file:1": "Is it?"}),
        (
            "mmlu",
            {"subject": "law", "question": "Is it?", "choices": ["yes"]},
            {"file:1": "Is it?"},
        ),
    ],
)
def test_texts_and_identifiers(name, row, texts):
    found = to_evaluation_texts(name, raw(name, row))
    assert found.rows() == [(name, item, text) for item, text in texts.items()]


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("gsm8k", [{"question": None}], "no text: 1 items, the first file:1"),
        ("mt_bench", [{"question_id": 1, "turns": []}], "no text: 1 items, the first 1"),
        ("mt_bench", [{"question_id": 1, "turns": None}], "no text"),
        ("mt_bench", [{"question_id": 1, "turns": ["a", None]}], "the first 1:2"),
        ("mbpp", [{"task_id": None, "text": "a"}], "no identifier: 1 items, the first None"),
        ("mbpp", [{"task_id": 1, "text": "a"}] * 2, "an identifier twice: 2 items, the first 1"),
    ],
)
def test_what_cannot_be_screened_against(name, rows, said):
    with pytest.raises(InputError, match=f"evaluation set {name} cannot") as error:
        to_evaluation_texts(name, raw(name, *rows))
    assert said in str(error.value)


@pytest.mark.parametrize("name", SCREENINGS)
def test_every_set_can_be_screened_against(name):
    assert to_evaluation_texts(name, raw(name)).is_empty()


@pytest.mark.parametrize("name", SCREENINGS)
def test_the_published_file(name):
    file, texts = FILES[name]
    if not (REAL / file).is_file():
        pytest.skip(f"PREFLOOP_TEST_DATA has no {file}")
    found = read_evaluation_sets({name: OriginSettings(files=(str(REAL / file),))})
    assert found.height == texts
    assert (found["text"].str.strip_chars() != "").all()
    # every item is found in itself, but where it has no words
    asked = found.select(prompt_id="item", text="text").sample(min(texts, 300), seed=0)
    shared = find_contaminated(asked, found, DecontaminationSettings())
    own = shared.filter(pl.col("prompt_id") == pl.col("item"))
    assert own.height == asked.height
