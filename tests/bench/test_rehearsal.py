"""The dress rehearsal: its rows, its recipe, and its checks; not the run of the whole graph."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import torch
import yaml
from safetensors.torch import save_file
from typer.testing import CliRunner

from assets.cli.app import app
from bench.rehearsal.batches import SCHEMA, find_batch_problems
from bench.rehearsal.files import EVALUATION_SETS, SOURCES
from bench.rehearsal.outcome import (
    EXPECTED_REASONS,
    find_dropped_problems,
    find_response_problems,
    find_reward_problems,
    find_weight_problems,
)
from bench.rehearsal.small_recipe import SHIPPED, list_replaced, replace_settings, write_study
from bench.rehearsal.texts import Texts
from training.recipe_file import load_recipe
from training.settings.sampling import SamplingSettings
from transforms.settings.overrides import merge
from transforms.sources.catalog import CATALOGUE


@pytest.fixture(scope="module")
def shipped():
    return yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))


def test_every_source_of_the_recipe_has_rows(shipped):
    assert set(SOURCES) == set(shipped["sources"])
    assert set(EVALUATION_SETS) == set(shipped["evaluation_sets"])


@pytest.mark.parametrize("name", SOURCES)
def test_rows_have_the_columns_that_the_catalogue_reads(name):
    rows = SOURCES[name].make(Texts(name), 30)
    assert rows
    for row in rows:
        assert set(CATALOGUE[name].native) <= set(row)


def test_contexts_have_the_relations_of_the_shipped_recipe(shipped):
    names = [*SOURCES, *EVALUATION_SETS]
    small = replace_settings(shipped, Path("study"), dict.fromkeys(names, ("file.json",)))

    def limits(recipe):
        sampling = recipe["loop"]["sampling"]
        return [
            recipe["sft"]["max_tokens"],
            recipe["reward_model"]["max_tokens"],
            recipe["loop"]["dpo"]["max_tokens"],
            sampling["max_tokens"],
            sampling["max_context_tokens"],
        ]

    both = zip(limits(shipped), limits(merge(shipped, small)), strict=True)
    assert {large / little for large, little in both} == {16}


class Tables:
    """A lake of literal frames."""

    def __init__(self, **frames):
        self.frames = frames

    def read(self, table):
        return self.frames[table]


def test_a_reason_that_is_new_or_gone_is_a_problem():
    rows = [(table, reason) for table, some in EXPECTED_REASONS.items() for reason in some]
    ledger = pl.DataFrame(rows, schema=["table", "reason"], orient="row")
    assert [*find_dropped_problems(None, Tables(dropped_rows=ledger))] == []
    for other in (ledger[1:], ledger.vstack(ledger[:1].with_columns(reason=pl.lit("new")))):
        assert len([*find_dropped_problems(None, Tables(dropped_rows=other))]) == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, None),
        ({"seed": 0}, "1 seeds"),
        ({"response_tokens": 129}, "more than 128"),
        ({"finish_reason": "length"}, "0% of the responses end"),
        ({"prompt_id": "p"}, "not 8 responses"),
    ],
)
def test_responses_of_one_replica_or_without_an_end_are_a_problem(change, found):
    rows = pl.DataFrame({"prompt_id": ["p"] * 8 + ["q"] * 8, "seed": [0] * 8 + [1] * 8})
    rows = rows.with_columns(
        experiment=pl.lit("paper"),
        iteration=1,
        response_tokens=9,
        finish_reason=pl.lit("stop"),
    ).with_columns(**{name: pl.lit(value) for name, value in change.items()})
    sampling = SamplingSettings(n=8, max_tokens=128, max_context_tokens=256)
    loop, devices = SimpleNamespace(sampling=sampling), SimpleNamespace(replicas=2)
    recipe = SimpleNamespace(loop=loop, devices=devices)
    problems = [*find_response_problems(recipe, Tables(generations=rows))]
    assert [found in problem for problem in problems] == ([True] if found else [])


@pytest.mark.parametrize("rewards", [[0.1, 0.2], [0.5, 0.25]])
def test_rewards_that_are_rounded_to_bfloat16_are_a_problem(rewards):
    frame = pl.DataFrame({"reward": rewards})
    lake = Tables(scores=frame, evaluation_responses=frame)
    assert len([*find_reward_problems(None, lake)]) == (2 if rewards[0] == 0.5 else 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_of_another_type_are_a_problem(tmp_path, dtype):
    save_file({"weight": torch.ones(2, dtype=dtype)}, tmp_path / "model.safetensors")
    assert bool([*find_weight_problems(tmp_path, "torch.float32")]) == (dtype == torch.bfloat16)


BATCHES = [
    ("sft", 0, 0, "all", ["a", "b"]),
    ("sft", 1, 0, "all", ["c"]),
    ("sft", 0, 1, "all", ["d"]),
    ("sft", 1, 1, "all", ["a"]),
]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (BATCHES[3], None),
        (("sft", 1, 1, "all", ["d"]), "sft: two processes read the same rows in 1 steps"),
        (("sft", 1, 1, "some", ["a"]), "sft: the processes have other examples"),
        (("sft", 0, 1, "all", ["a"]), "sft: a step without rows of all 2 processes"),
        (("dpo", 1, 1, "all", ["a"]), "batches of 2 trainings, not of 1"),
    ],
)
def test_rows_that_processes_share_or_lack_are_a_problem(changed, found):
    batches = pl.DataFrame([*BATCHES[:3], changed], schema=SCHEMA, orient="row")
    problems = [*find_batch_problems(batches, processes=2, trainings=1)]
    assert problems[:1] == ([found] if found else [])


@pytest.mark.slow
def test_the_small_recipe_is_loaded_and_planned(tmp_path):
    path = write_study(tmp_path, rows=30)
    recipe = load_recipe(path)
    assert list(recipe.experiments) == ["paper"]
    assert [*recipe.resolve_trained_rankers()] == ["reward_model"]
    assert recipe.sft.packing
    assert recipe.sft.accelerate_config.endswith("recipes/accelerate/fsdp.yaml")
    assert "sft.processes: 8 -> 2" in list_replaced(path)
    planned = CliRunner().invoke(app, ["plan", str(path), "--home", str(tmp_path / "home")])
    assert planned.exit_code == 0, planned.output
