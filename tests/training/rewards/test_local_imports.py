"""Modules that a reward function imports from beside its file: part of its version, and of it."""

import sys

import polars as pl
import pytest

from training.rewards.function import load_function
from training.settings.rewards.function_source import read_function
from transforms.errors import InputError

ROWS = pl.DataFrame({"prompt_id": ["p", "p"], "response_index": [0, 1], "response": ["a", "bc"]})
CODE = (
    "import json, numpy\nfrom tables.weights import WEIGHT\nfrom scale import SCALE\n"
    "def score(responses):\n"
    "    from late import SHIFT\n"
    "    return [WEIGHT * SCALE * len(text) + SHIFT for text in responses]\n"
)
FILES = {
    "rewards.py": CODE,
    "scale.py": "SCALE = 3\n",
    "late.py": "SHIFT = 0.5\n",
    "tables/weights.py": "from tables import deep\nWEIGHT = deep.VALUE\n",
    "tables/deep.py": "VALUE = 2\n",
    "unused.py": "raise SystemExit\n",
}


@pytest.fixture
def write(tmp_path):
    """Write files, and those of `FILES` that are missing; the function's reference."""

    def write_files(folder="recipe", **changed):
        for name, text in (FILES | changed).items():
            file = tmp_path / folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return f"{tmp_path}/{folder}/rewards.py:score"

    return write_files


def test_the_modules_are_found_and_nothing_else(write):
    source = read_function(write())
    assert [*source.modules] == ["late", "scale", "tables", "tables.deep", "tables.weights"]
    assert source.modules["tables.deep"].content == b"VALUE = 2\n"
    assert not {"late", "scale", "tables"} & {*sys.modules}


@pytest.mark.parametrize("name", ["rewards.py", "scale.py", "late.py", "tables/deep.py"])
def test_a_changed_imported_file_is_another_version(write, name):
    before = read_function(write()).digest
    assert read_function(write(**{name: f"{FILES[name]}EDITED = 1\n"})).digest != before
    assert read_function(write(**{name: f"{FILES[name]}# edited\n"})).digest == before
    assert read_function(write()).digest == before


def test_another_file_beside_it_and_an_installed_package_are_not(write, tmp_path, monkeypatch):
    package = tmp_path / "site-packages"
    package.mkdir()
    monkeypatch.syspath_prepend(package)
    (package / "installed_scale.py").write_text("SCALE = 1\n")
    code = f"import installed_scale\n{CODE}"
    before = read_function(write(**{"rewards.py": code}))
    (package / "installed_scale.py").write_text("SCALE = 2\n")
    changed = {"rewards.py": code, "unused.py": "# edited\n"}
    assert read_function(write(**changed)).digest == before.digest
    assert "installed_scale" not in before.modules
    # a function of an installed package has the version of its own file
    (package / "installed_rewards.py").write_text(
        "import installed_scale\ndef score(responses): ...\n"
    )
    assert read_function("installed_rewards:score").modules == {}


def test_what_was_read_is_what_runs(write):
    reference = write()
    first = read_function(reference)
    write(**{"scale.py": "SCALE = 30\n", "late.py": "SHIFT = 5\n"})
    second = read_function(reference)
    scorers = [load_function(first), load_function(second)]
    other = load_function(read_function(write("other", **{"tables/deep.py": "VALUE = -2\n"})))
    for _ in range(2):  # a late import of one is none of the others
        assert [list(scorer(ROWS)) for scorer in scorers] == [[6.5, 12.5], [65, 125]]
        assert list(other(ROWS)) == [-5.5, -11.5]
    assert not {"late", "scale", "tables"} & {*sys.modules}


def test_modules_of_a_package_on_the_path_are_part_of_it(tmp_path, monkeypatch):
    package = tmp_path / "brought_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "scale.py").write_text("SCALE = 3.0\n")
    (package / "length.py").write_text(
        "from .scale import SCALE\ndef score(responses):\n    return [SCALE for _ in responses]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = read_function("brought_package.length:score")
    assert [*source.modules] == ["brought_package", "brought_package.scale"]
    assert list(load_function(source)(ROWS)) == [3.0, 3.0]


def test_an_imported_file_that_is_no_python_is_refused(write):
    with pytest.raises(InputError, match=r"no Python(.|\n)*correct .*scale.py"):
        read_function(write(**{"scale.py": "SCALE =\n"}))
