import pytest

from training.recipe_file import load_recipe
from transforms.errors import InputError

RECIPE = """
name: s
model: {tiny: {context_tokens: 4096}}
sample_task: {}
sources:
  d: {roles: [demonstrations], entry: messages, sample_task: true}
  c: {roles: [preferences], entry: standard_pairs, sample_task: true}
  p: {roles: [prompts], entry: context_messages, sample_task: true}
benchmarks:
  %s
"""


@pytest.fixture
def load(tmp_path):
    def load(benchmark):
        (tmp_path / "recipe.yaml").write_text(RECIPE % benchmark)
        return load_recipe(tmp_path / "recipe.yaml")

    return load


def test_a_benchmark_has_its_own_name_and_table_3s_shots(load, tmp_path):
    benchmarks = load("gsm8k: {data: {test: {files: [t.jsonl]}}}").benchmarks
    assert benchmarks["gsm8k"].benchmark == "gsm8k"
    assert benchmarks["gsm8k"].examples == 8
    assert benchmarks["gsm8k"].data["test"].files == (str(tmp_path / "t.jsonl"),)


def test_the_same_benchmark_may_have_two_names(load):
    benchmarks = load("few: {benchmark: gsm8k, limit: 5, data: {test: {revision: abc}}}").benchmarks
    assert benchmarks["few"].limit == 5


@pytest.mark.parametrize(
    ("benchmark", "said"),
    [
        ("gsm9k: {data: {test: {files: [t]}}}", "gsm9k"),
        ("gsm8k: {data: {}}", "benchmarks.gsm8k"),
        ("gsm8k: {data: {tset: {files: [t]}}}", "tset"),
        ("gsm8k: {data: {test: {}}}", "name files, or a revision"),
        ("arc_challenge: {data: {test: {files: [t]}}}", "data.train for its 25 examples"),
        ("mmlu: {data: {dev: {files: [t]}}}", "archive or test"),
        ("gsm8k: {limit: 0, data: {test: {files: [t]}}}", "limit"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(load, benchmark, said):
    with pytest.raises(InputError, match=said):
        load(benchmark)


def test_arc_without_examples_needs_no_train_part(load):
    load("arc_challenge: {shots: 0, data: {test: {files: [t]}}}")
