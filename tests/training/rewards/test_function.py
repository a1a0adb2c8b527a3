"""A Python function as a reward: its file, its arguments, its errors."""

import polars as pl
import pytest

from training.rewards.function import load_function
from training.rewards.score_rows import score_rows
from training.settings.rewards.function_source import read_function
from transforms.errors import InputError
from transforms.lake.schemas.table import MESSAGES

ROWS = pl.DataFrame(
    [
        ("p", 0, [{"role": "user", "content": "Why?"}], "because", "because"),
        ("p", 1, [{"role": "user", "content": "Why?"}], "", "because"),
        ("q", 0, [{"role": "user", "content": "How?"}], "so", None),
    ],
    schema={"prompt_id": pl.String, "response_index": pl.Int32, "prompt": MESSAGES,
            "response": pl.String, "reference": pl.String},
    orient="row",
)  # fmt: skip


@pytest.fixture
def write(tmp_path):
    """Write a file with a function `score`; its reference in a recipe."""

    def write_file(code):
        (tmp_path / "rewards.py").write_text(code, encoding="utf-8")
        return f"{tmp_path}/rewards.py:score"

    return write_file


def score(reference, rows=ROWS, chunk_rows=2):
    scored = []
    function = load_function(read_function(reference))
    score_rows(rows, function, chunk_rows=chunk_rows, commit=scored.append)
    return pl.concat(scored)


def test_lists_go_in_and_numbers_come_out(write):
    reference = write(
        "def score(prompts, responses, reference, prompt_id, response_index, weight=2):\n"
        "    assert [p[-1]['role'] for p in prompts] == ['user'] * len(responses)\n"
        "    rows = zip(responses, reference, prompt_id, response_index)\n"
        "    return [weight * (r == ref) + (i == 'q') + n / 8 for r, ref, i, n in rows]\n"
    )
    found = score(reference)
    assert found.columns == ["prompt_id", "response_index", "reward"]
    assert found["reward"].to_list() == [2.0, 0.125, 1.0]


def test_a_function_may_return_arrays_and_use_classes_of_its_file(write):
    reference = write(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "import numpy as np\n"
        "@dataclass\nclass Length:\n    text: str\n"
        "def score(responses, **more):\n"
        "    assert not more\n"
        "    return np.array([len(Length(r).text) for r in responses], dtype=np.float32)\n"
    )
    assert score(reference)["reward"].to_list() == [7.0, 0.0, 2.0]


def test_an_edited_file_is_another_version_and_the_new_content_runs(write):
    first = read_function(write("def score(responses):\n    return [1.0] * len(responses)\n"))
    scorer = load_function(first)
    reference = write("def score(responses):\n    return [2.0] * len(responses)\n")
    second = read_function(reference)
    assert first.digest != second.digest
    assert list(scorer(ROWS)) == [1.0] * 3
    assert score(reference)["reward"].to_list() == [2.0] * 3


def test_a_function_of_a_package_is_found_and_may_import_from_it(tmp_path, monkeypatch):
    package = tmp_path / "brought_rewards"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "scale.py").write_text("SCALE = 3.0\n")
    (package / "length.py").write_text(
        "from .scale import SCALE\ndef score(responses):\n    return [SCALE for _ in responses]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert score("brought_rewards.length:score")["reward"].to_list() == [3.0] * 3


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("def other(responses): ...", "no function 'score'; the functions of .* are other"),
        ("from math import exp as score", "no function 'score'"),
        ("def score(responses:\n", "no Python"),
        ("def score(texts, responses): ...", "arguments texts, responses"),
        ("def score(prompts): ...", "arguments prompts"),
        ("def score(responses, /): ...", "arguments none"),
        ("async def score(responses): ...", "no function 'score'"),
    ],
)
def test_a_file_without_a_function_to_call_is_refused_before_it_runs(write, code, fault):
    with pytest.raises(InputError, match=fault):
        read_function(write(f"{code}\nraise SystemExit\n" if fault != "no Python" else code))


@pytest.mark.parametrize("reference", ["score", "no_such.module:score", "math:sqrt", ":score"])
def test_a_function_that_is_not_found_is_refused(reference):
    with pytest.raises(InputError, match="cannot be used"):
        read_function(reference)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_function(f"{tmp_path}/absent.py:score")


def test_an_error_names_the_first_row_at_which_the_function_fails_alone(write):
    reference = write("def score(responses):\n    return [1 / len(r) for r in responses]\n")
    with pytest.raises(InputError, match=r"fails at prompt p, response 1(.|\n)*ZeroDivisionError"):
        score(reference)


def test_an_error_of_a_whole_batch_names_the_batch(write):
    reference = write("def score(responses):\n    assert len(responses) == 1\n    return [1]\n")
    with pytest.raises(InputError, match="prompt p, response 0 to prompt p, response 1, but"):
        score(reference)


def test_too_few_numbers_are_refused(write):
    reference = write("def score(responses):\n    return [1.0]\n")
    with pytest.raises(
        InputError, match=r"expected: 2 numbers, for prompt p, response 0 to prompt p"
    ):
        score(reference)


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "None", "'high'"])
def test_a_reward_that_is_no_finite_number_is_refused_and_the_others_are_kept(write, value):
    reference = write(
        f"def score(responses):\n    return [{value} if r == '' else 1 for r in responses]\n"
    )
    scored = []
    function = load_function(read_function(reference))
    with pytest.raises(InputError, match=r"prompt p, response 1 is not finite.*1 of 3"):
        score_rows(ROWS, function, chunk_rows=2, commit=scored.append)
    assert pl.concat(scored).select("prompt_id", "response_index").rows() == [("p", 0), ("q", 0)]


def test_a_file_that_fails_is_refused(write):
    with pytest.raises(InputError, match="RuntimeError: no key"):
        load_function(
            read_function(write("def score(responses): ...\nraise RuntimeError('no key')"))
        )


def test_a_response_without_text_is_refused(write):
    reference = write("def score(responses):\n    return [len(r) for r in responses]\n")
    rows = ROWS.with_columns(response=pl.when(pl.col("prompt_id") == "q").then("response"))
    with pytest.raises(InputError, match=r"prompt p, response 0 has no text.*2 of 3"):
        score(reference, rows)
