import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.graph import build_definitions
from assets.loop.judges import judge_model_settings, judge_settings
from assets.staleness import list_upstream, name_of, read_settings, stale_assets
from training.recipe import Recipe
from training.settings.judge import JudgeSettings
from transforms.errors import InputError
from transforms.lake.lake import Lake
from transforms.lake.records import materializations
from transforms.lake.schemas import schema_of
from transforms.lake.schemas.table import SHARED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def finished(tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake that records every asset of `iterative` as made with the tiny recipe's settings."""
    return record_all(tiny_recipe, tmp_path_factory.mktemp("lake"))


def record_all(recipe: Recipe, folder: Path, experiment: str = "iterative") -> Lake:
    lake = Lake(folder)
    graph = build_definitions(recipe, lake.root).resolve_asset_graph()
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        scope = experiment if node.partitions_def else SHARED
        settings = read_settings(node, scope)
        if settings is None:
            continue  # an asset that the experiment does not have
        materializations.record(
            lake,
            asset=name_of(key),
            experiment=scope,
            output_id=f"{name_of(key)}@0",
            settings=json.dumps(settings),
            inputs=json.dumps(
                {parent: f"{parent}@0" for parent in list_upstream(node, experiment)}
            ),
            run_id="test",
            elapsed_s=0.0,
        )
    return lake


@pytest.fixture
def stale(finished: Lake, make_tiny: Callable[..., Recipe]) -> Callable[..., dict[str, str]]:
    """What a run must do after the tiny recipe was changed."""

    def after(*overrides: str, experiment: str = "iterative") -> dict[str, str]:
        definitions = build_definitions(make_tiny(*overrides), finished.root)
        return stale_assets(definitions, finished, experiment)

    return after


def test_a_new_input_makes_an_asset_stale(tiny_recipe: Recipe, tmp_path) -> None:
    lake = record_all(tiny_recipe, tmp_path)
    row = materializations.read_latest(lake)["selected_policy", "iterative"]
    inputs = json.loads(row["inputs"])
    new = min(inputs)
    del inputs[new]
    record = {key: row[key] for key in ("asset", "experiment", "output_id", "settings")}
    materializations.record(lake, **record, inputs=json.dumps(inputs), run_id="test", elapsed_s=0.0)
    stale = stale_assets(build_definitions(tiny_recipe, lake.root), lake, "iterative")
    assert stale["selected_policy"] == f"{new} is a new input"


@pytest.mark.parametrize("file", ["chat_template.jinja", "model.safetensors"])
def test_an_edited_file_of_a_local_model_makes_pi_0_stale(make_tiny, tmp_path, file) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for name in ("chat_template.jinja", "model.safetensors", "config.json"):
        (model / name).write_text("{}")
    recipe = make_tiny("model.tiny=null", f"model.path={model}")
    lake = record_all(recipe, tmp_path / "lake")
    assert stale_assets(build_definitions(recipe, lake.root), lake, "iterative") == {}
    (model / file).write_text("{ }")
    stale = stale_assets(build_definitions(recipe, lake.root), lake, "iterative")
    assert file in stale["initial_model"]
    assert stale["sft_policy"] == "initial_model is out of date"


def test_another_engine_of_the_reward_model_reruns_what_has_its_rewards(stale) -> None:
    assert stale("loop.scoring.engine=transformers", "loop.scoring.cpu_kv_cache_gib=2") == {}
    found = stale("loop.scoring.engine=vllm")
    assert "engine" in found["iteration_1/scores"]
    assert "engine" in found["baseline_evaluation"]
    assert not {"reward_model", "sft_policy", "iteration_1/generations"} & {*found}


def test_data_and_a_model_that_are_copied_elsewhere_make_nothing_stale(make_tiny, tmp_path) -> None:
    def make_recipe(place: Path) -> Recipe:
        files = f"files: [{place / 'rows.jsonl'}]"
        return make_tiny(
            "model.tiny=null",
            f"model.path={place / 'model'}",
            f"sources.more={{entry: prompt_text, {files}}}",
        )

    first = tmp_path / "first"
    (first / "model").mkdir(parents=True)
    for name in ("model/config.json", "model/model.safetensors", "rows.jsonl"):
        (first / name).write_text("{}")
    recipe = make_recipe(first)
    lake = record_all(recipe, tmp_path / "lake")
    shutil.copytree(first, tmp_path / "second", copy_function=shutil.copy)
    moved = make_recipe(tmp_path / "second")
    assert stale_assets(build_definitions(moved, lake.root), lake, "iterative") == {}
    (tmp_path / "second" / "rows.jsonl").write_text("{ }")
    stale = stale_assets(build_definitions(moved, lake.root), lake, "iterative")
    assert "origin.files.rows.jsonl.content" in stale["raw_more"]


def test_another_name_of_a_models_folder_makes_nothing_stale(make_tiny, tmp_path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    recipe, renamed = (
        make_tiny("model.tiny=null", f"model.path={tmp_path / name}") for name in ("one", "two")
    )
    lake = record_all(recipe, tmp_path / "lake")
    assert stale_assets(build_definitions(renamed, lake.root), lake, "iterative") == {}


def test_rewards_that_are_copied_elsewhere_make_nothing_stale(make_tiny, tmp_path) -> None:
    """A policy gradient and feedback record the parts of a reward, with their places."""

    def make_recipe(place: Path) -> Recipe:
        function = f"brief: {{function: '{place / 'rewards.py'}:brief'}}"
        given = f"given: {{path: {place / 'model'}}}"
        both = "both: {sum: {given: 1, brief: 0.5}}"
        return make_tiny(
            f"rewards={{{function}, {given}, {both}}}",
            "loop.rloo={max_tokens: 128, batch_size: 16, micro_batch_size: 16}",
            "experiments={iterative: {objective: rloo, ranker: both},"
            " other: {ranker: both, feedback: {labels: 5}}}",
        )

    (tmp_path / "first" / "model").mkdir(parents=True)
    (tmp_path / "first" / "model" / "config.json").write_text("{}")
    code = "def brief(responses):\n    return [-len(text) for text in responses]\n"
    (tmp_path / "first" / "rewards.py").write_text(code)
    second = tmp_path / "second"
    shutil.copytree(tmp_path / "first", second)
    recipe, moved = make_recipe(tmp_path / "first"), make_recipe(second)
    for experiment in ("iterative", "other"):
        lake = record_all(recipe, tmp_path / experiment, experiment)
        definitions = build_definitions(moved, lake.root)
        assert stale_assets(definitions, lake, experiment) == {}
    (second / "rewards.py").write_text(f"# shorter is better\n{code}")
    lake = Lake(tmp_path / "iterative")
    assert stale_assets(build_definitions(make_recipe(second), lake.root), lake, "iterative") == {}
    (second / "rewards.py").write_text(code.replace("-len", "-2 * len"))
    stale = stale_assets(build_definitions(make_recipe(second), lake.root), lake, "iterative")
    assert "rewards.brief.code" in stale["iteration_1/policy"]


def test_an_edited_judge_makes_its_verdicts_stale(tmp_path) -> None:
    (tmp_path / "chat_template.jinja").write_text("one")
    judge = JudgeSettings(path=str(tmp_path))
    before = judge_settings(judge)
    (tmp_path / "chat_template.jinja").write_text("two")
    assert judge_settings(judge) != before


def test_an_edited_rubric_makes_its_verdicts_stale(tmp_path, monkeypatch) -> None:
    text = "Compare.\n$prompt\n$response_a\n$response_b\n"
    monkeypatch.setattr("training.judging.rubrics.RUBRICS", tmp_path)
    (tmp_path / "own.txt").write_text(text)
    judge = JudgeSettings(path=str(tmp_path), rubric="own")
    before, model = judge_settings(judge), judge_model_settings(judge)
    (tmp_path / "own.txt").write_text(f"{text}Answer A or B.\n")
    assert judge_settings(judge) != before
    monkeypatch.setattr("training.judging.rubrics.RUBRICS", tmp_path / "absent")
    assert judge_model_settings(judge) | {"path": None} == model | {"path": None}


def test_everything_is_stale_in_an_empty_lake(tiny_recipe: Recipe, tmp_path) -> None:
    stale = stale_assets(build_definitions(tiny_recipe, tmp_path), Lake(tmp_path), "iterative")
    assert set(stale.values()) == {"never materialized"}


def test_a_finished_loop_has_nothing_to_do(stale) -> None:
    assert stale() == {}


def test_a_second_experiment_shares_what_is_shared(stale) -> None:
    names = set(stale(experiment="raft_concise"))
    assert "sft_policy" not in names
    assert "one_shot/policy" not in names
    assert {"iteration_1/generations", "iteration_2/policy", "evaluation"} <= names


def test_a_changed_setting_reruns_what_depends_on_it(stale) -> None:
    after = stale("experiments.iterative.pairs.length_penalty=0.5")
    assert "length_penalty 0.0 -> 0.5" in after["iteration_1/dpo_pairs"]
    assert "iteration_1/generations" not in after
    assert "iteration_1/scores" not in after
    assert {"iteration_1/policy", "iteration_2/generations", "evaluation"} <= set(after)
    assert "offline_dpo" not in after


@pytest.mark.parametrize(
    "setting",
    [
        "loop.scoring.batch_tokens=128",
        "loop.sampling.chunk_prompts=3",
        "devices={replicas: 8, gpus_per_replica: 2}",
        "evaluation.logps_batch_tokens=128",
        "sft.gradient_checkpointing=true",
        "loop.dpo.logging_steps=1",
        f"reward_model.accelerate_config={ROOT / 'recipes' / 'accelerate' / 'fsdp.yaml'}",
    ],
)
def test_speed_settings_rerun_nothing(stale, setting) -> None:
    assert stale(setting) == {}


def test_another_selection_evaluates_nothing_again(stale) -> None:
    after = stale("evaluation.selection_metric=reward")
    assert "metric" in after["selected_policy"]
    assert not {"evaluation", "baseline_evaluation"} & set(after)


@pytest.mark.parametrize(
    "other", [{"devices": {"gpus_per_replica": 4}}, {"max_equal_errors": 3}, {"retries": 9}]
)
def test_how_a_judge_is_reached_is_no_part_of_its_verdicts(tmp_path, other) -> None:
    judge = JudgeSettings(path=str(tmp_path))
    assert judge_settings(JudgeSettings(path=str(tmp_path), **other)) == judge_settings(judge)


def test_asking_again_for_an_iteration(finished: Lake, tiny_recipe: Recipe) -> None:
    definitions = build_definitions(tiny_recipe, finished.root)
    after = stale_assets(definitions, finished, "iterative", ["iteration_2/scores"])
    assert after["iteration_2/scores"] == "requested"
    assert "iteration_2/generations" not in after
    assert "iteration_2/policy" in after


def test_a_model_whose_folder_is_gone_is_trained_again(tiny_recipe: Recipe, tmp_path) -> None:
    lake = Lake(tmp_path)
    definitions = build_definitions(tiny_recipe, lake.root)
    node = definitions.resolve_asset_graph().get(dg.AssetKey(["initial_model"]))
    inputs = {"demonstrations": "demonstrations@0"}
    for asset, output_id, read in (
        ("demonstrations", "demonstrations@0", {}),
        ("initial_model", "0123456789abcdef", inputs),
    ):
        materializations.record(
            lake,
            asset=asset,
            experiment=SHARED,
            output_id=output_id,
            settings=json.dumps(read_settings(node, SHARED)),
            inputs=json.dumps(read),
            run_id="test",
            elapsed_s=0.0,
        )
    row = dict.fromkeys(schema_of("checkpoints")) | {
        "asset": "initial_model",
        "checkpoint_id": "0123456789abcdef",
        "path": "checkpoints/0123456789abcdef",
    }
    lake.append("checkpoints", pl.DataFrame([row], schema=schema_of("checkpoints")))
    stale = stale_assets(definitions, lake, "iterative")
    assert "checkpoints/0123456789abcdef cannot be read" in stale["initial_model"]


def test_a_missing_upstream_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match="sft_policy"):
        materializations.find_output_ids(Lake(tmp_path), ["sft_policy"], "iterative")


def test_feedback_applies_to_its_experiments_alone(stale) -> None:
    refreshed = "experiments.refreshed.feedback.labels=5"
    assert stale(refreshed) == {}
    done = stale(refreshed, experiment="refreshed")
    nouns = ("label_queue", "preference_labels", "reward_model")
    assert {f"iteration_{t}/{noun}" for t in (1, 2) for noun in nouns} <= set(done)


def test_feedback_makes_scores_stale_and_leaves_the_first_generations(stale) -> None:
    done = stale("experiments.iterative.feedback.labels=5")
    assert "iteration_1/scores" in done
    assert not {"iteration_1/generations", "reward_model", "one_shot/scores"} & set(done)
