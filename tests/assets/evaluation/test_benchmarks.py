"""Benchmark assets and the command over real tiny models, with four questions written here."""

import json
import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.cli.app import app
from assets.declare import asset_key
from assets.evaluation import benchmarks
from assets.resources import LakeResource
from assets.study import Study
from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import make_tiny_model
from training.recipe import Recipe
from training.settings.model import TinyModelSettings
from transforms.lake.lake import Lake
from transforms.lake.records import checkpoints, materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED
from transforms.views.query import check, connect

MODELS = [
    "sft_policy",
    "offline_dpo",
    "one_shot/policy",
    "iteration_1/policy",
    "iteration_2/policy",
]
CHOICES = {"label": ["A", "B", "C", "D"], "text": ["red", "green", "a blue cat", "grey"]}
CHECKS = ("benchmark_answers_are_whole", "benchmarked_the_expected_policy")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of random weights for each name, and one that replaces pi_0."""
    shape = TinyModelSettings(hidden_size=64, layers=1, heads=2, context_tokens=64)
    words = [{"role": "user", "content": "Question: what colour is a cat ? Answer: red green grey"}]
    folders = {name: tmp_path_factory.mktemp("m") / "model" for name in [*MODELS, "new"]}
    for seed, folder in enumerate(folders.values()):
        make_tiny_model(shape, [words], folder, seed=seed)
    return folders


def record(lake: Lake, folder: Path, asset: str, experiment: str, iteration: int) -> str:
    """Put a model into the lake as a training would have; its id."""
    place = checkpoints.workspace(lake, asset, experiment)
    shutil.copytree(folder, place)
    empty = {"parent_id": "", "reference_id": "", "settings": "{}", "inputs": "{}"}
    key = {"experiment": experiment, "iteration": iteration, "asset": asset}
    name = hash_checkpoint(place)
    checkpoints.record(lake, place, checkpoint_id=name, kind="causal_lm", **key, **empty)
    materializations.record(lake, asset=asset, experiment=experiment, output_id=name)
    return name


def select(lake: Lake, model: str, iteration: int) -> None:
    policy_id = checkpoints.find_latest(lake, model, "iterative").checkpoint_id
    keys = {"experiment": "iterative", "iteration": iteration, "model": model}
    row = {**keys, "policy_id": policy_id}
    rows = pl.DataFrame([row], schema=schema_of("selected_policies"))
    lake.overwrite("selected_policies", rows, experiment="iterative")
    materializations.record(
        lake, asset="selected_policy", experiment="iterative", output_id=f"selected@{iteration}"
    )


@pytest.fixture
def lake(tmp_path: Path, folders: dict[str, Path]) -> Lake:
    """A lake with a finished loop's models."""
    lake = Lake(tmp_path / "lake")
    for name in MODELS:
        t = int(name[10]) if name.startswith("iteration") else 0
        record(lake, folders[name], name, "iterative" if t else SHARED, t)
    select(lake, "iteration_2/policy", 2)
    return lake


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    rows = [
        {"id": f"q{n}", "question": "what colour is a cat ?", "choices": CHOICES, "answerKey": key}
        for n, key in enumerate("ABCD")
    ]
    (tmp_path / "arc.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "arc.jsonl"


@pytest.fixture
def recipe(make_tiny, questions: Path) -> Recipe:
    settings = {
        "benchmark": "arc_challenge",
        "data": {"test": {"files": [str(questions)]}},
        "shots": 0,
        "engine": "transformers",
        "chunk_items": 2,
    }
    return make_tiny(f"benchmarks={json.dumps({'arc': settings})}")


def materialize(recipe: Recipe, lake: Lake, name: str, experiment: str | None = None):
    return dg.materialize(
        benchmarks.build(Study(recipe)),
        selection=[asset_key(name)],
        partition_key=experiment,
        resources={"lake": LakeResource(root=str(lake.root))},
        raise_on_error=False,
    )


def prefloop(lake: Lake, *words: str):
    return CliRunner().invoke(app, ["benchmark", *words, "--home", str(lake.root.parent)])


def test_baselines_and_the_selected_iterate_are_measured(recipe: Recipe, lake: Lake) -> None:
    assert materialize(recipe, lake, "baseline_benchmarks/arc").success
    assert materialize(recipe, lake, "benchmarks/arc", "iterative").success
    rows = lake.read("benchmark_results", benchmark="arc")
    assert set(rows.select("experiment", "iteration", "model").rows()) == {
        (SHARED, 0, "sft_policy"),
        (SHARED, 0, "offline_dpo"),
        (SHARED, 0, "one_shot/policy"),
        ("iterative", 2, "iteration_2/policy"),
    }
    assert set(rows["metric"]) == {"accuracy", "accuracy_norm"}
    # the choices are the same and the answers all four: one is right, whatever the model says
    assert rows.filter(metric="accuracy")["value"].to_list() == [25.0] * 4
    assert rows.select("items", "unscored_items").unique().rows() == [(4, 0)]
    assert rows["source"][0].startswith("lm_eval ")
    with connect(lake) as connection:
        assert [check(connection, name).height for name in CHECKS] == [0, 0]
    # what was answered is not asked again, what is missing is
    answers = lake.read("benchmark_answers", experiment="iterative", model="iteration_2/policy")
    marked = answers.filter(pl.col("item") != "q3").with_columns(answer=pl.lit("kept"))
    slice_ = {"experiment": "iterative", "model": "iteration_2/policy", "benchmark": "arc"}
    lake.overwrite("benchmark_answers", marked, **slice_)
    materialize(recipe, lake, "benchmarks/arc", "iterative")
    again = lake.read("benchmark_answers", **slice_).sort("item")
    assert again["answer"].to_list()[:3] == ["kept"] * 3
    assert again["answer"][3] == answers.filter(item="q3")["answer"].item()


@pytest.mark.slow
def test_figures_of_a_replaced_checkpoint_leave(recipe: Recipe, lake: Lake, folders) -> None:
    materialize(recipe, lake, "benchmarks/arc", "iterative")
    select(lake, "iteration_1/policy", 1)
    materialize(recipe, lake, "benchmarks/arc", "iterative")
    measured = {"iteration_1/policy", "iteration_2/policy"}
    assert set(lake.read("benchmark_results")["model"]) == measured
    record(lake, folders["new"], "iteration_2/policy", "iterative", 2)
    with connect(lake) as connection:
        assert check(connection, CHECKS[1]).height == 2
    assert materialize(recipe, lake, "benchmarks/arc", "iterative").success
    for table in ("benchmark_results", "benchmark_answers"):
        assert set(lake.read(table)["model"]) == {"iteration_1/policy"}


def test_any_checkpoint_may_be_measured_from_files(lake: Lake, questions: Path, folders) -> None:
    old = checkpoints.find_latest(lake, "sft_policy", SHARED).checkpoint_id
    new = record(lake, folders["new"], "sft_policy", SHARED, 0)
    words = ("arc_challenge", "--file", f"test={questions}", "--set", "shots=0")
    words += ("--set", "engine=transformers", "--dtype", "float32")
    for name in (old[:8], new[:8]):
        ran = prefloop(lake, name, *words)
        assert ran.exit_code == 0, ran.output
    assert "25.000" in ran.output
    assert set(lake.read("benchmark_results").select("model", "policy_id").rows()) == {
        (f"sft_policy@{old[:12]}", old),
        ("sft_policy", new),
    }
    assert "0 of 4 items to answer" in prefloop(lake, new[:8], *words).output


def test_bad_input_is_one_clear_error(lake: Lake, questions: Path) -> None:
    policy = checkpoints.find_latest(lake, "sft_policy", SHARED).checkpoint_id
    for words, said in [
        (("ffffffff", "arc_challenge"), "no model has the name ffffffff"),
        ((policy, "arc_challenge", "--file", f"test={questions}"), "25 examples"),
        ((policy, "arc_chalenge", "--file", f"test={questions}"), "arc_chalenge"),
        ((policy, "a", "b", "--file", "test=x"), "--file needs one benchmark"),
        ((policy,), "no benchmark to measure"),
        ((policy, "a", "--dtype", "float33"), "'float33' is not one of"),
    ]:
        refused = prefloop(lake, *words)
        assert (refused.exit_code, said in refused.output) == (2, True), refused.output
