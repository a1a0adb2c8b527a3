import json
import zipfile

import pytest

from transforms.errors import InputError
from transforms.prompts.evaluation_texts import read_evaluation_sets, resolve_evaluation_set
from transforms.settings.sources import OriginSettings


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
