"""A fault of a local model is found before anything runs."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from assets.cli.app import app
from assets.cli.model_checks import (
    check_devices,
    check_local_models,
    check_named_models,
    check_source_files,
)
from training.models.initial_model import make_tiny_model
from training.recipe import Recipe
from training.recipe_file import load_recipe
from training.settings.model import TinyModelSettings
from transforms.errors import InputError

ROOT = Path(__file__).resolve().parents[3]
TALK = [[{"role": "user", "content": "name a cat"}, {"role": "assistant", "content": "the cat ."}]]


@pytest.fixture(scope="module")
def whole_model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "whole"
    settings = TinyModelSettings(hidden_size=32, intermediate_size=32, layers=1, heads=1)
    make_tiny_model(settings, TALK, folder, seed=0)
    return folder


@pytest.fixture
def model(whole_model, tmp_path) -> Path:
    return shutil.copytree(whole_model, tmp_path / "model")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "adapter": (lambda m: (m / "adapter_config.json").write_text("{}"), "is an adapter"),
    "weights": (lambda m: (m / "model.safetensors").unlink(), "weights missing"),
    "head": (
        lambda m: replace(m / "config.json", '"num_hidden_layers": 1', '"num_hidden_layers": 2'),
        "not a language model",
    ),
    "template": (
        lambda m: replace(m / "chat_template.jinja", "message['content'] + eos_token", "'a'"),
        "does not end the assistant's turn",
    ),
    "vocabulary": (
        lambda m: replace(m / "config.json", '"vocab_size": 12', '"vocab_size": 11'),
        "larger than its embeddings",
    ),
    "context": (
        lambda m: replace(
            m / "config.json", '"max_position_embeddings": 128', '"max_position_embeddings": 96'
        ),
        "at most 96 tokens",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_initial_model_is_refused(make_tiny: Callable[..., Recipe], model, fault) -> None:
    recipe = make_tiny("model.tiny=null", f"model.path={model}")
    check_local_models(recipe)
    change, words = FAULTS[fault]
    change(model)
    with pytest.raises(InputError, match=words):
        check_local_models(recipe)


def test_a_gguf_file_that_is_not_there_is_refused(make_tiny, tmp_path) -> None:
    with pytest.raises(InputError, match="no file"):
        check_local_models(make_tiny("model.tiny=null", f"model.gguf={tmp_path}/model.gguf"))


@pytest.mark.parametrize("fault", ["adapter", "template"])
def test_a_faulty_judge_is_refused(make_tiny: Callable[..., Recipe], model, fault) -> None:
    recipe = make_tiny(f"judge={{path: {model}, max_tokens: 8}}")
    check_local_models(recipe)
    change, words = FAULTS[fault]
    change(model)
    with pytest.raises(InputError, match=words):
        check_local_models(recipe)


def test_a_judge_without_room_for_a_request_is_refused(make_tiny, model) -> None:
    with pytest.raises(InputError, match="no room for a request"):
        check_local_models(make_tiny(f"judge={{path: {model}, max_tokens: 128}}"))


@pytest.mark.parametrize(
    ("setting", "needed"),
    [
        ("devices={replicas: 2, gpus_per_replica: 2}", 4),
        ("judge={path: model, devices: {replicas: 3}}", 3),
    ],
)
def test_more_gpus_than_there_are_are_refused_before_a_run(
    make_tiny, monkeypatch, setting, needed
) -> None:
    recipe = make_tiny(setting)
    check_devices(recipe)  # without a GPU, replicas share the processor
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for found in (needed, needed + 1):
        monkeypatch.setattr(torch.cuda, "device_count", lambda found=found: found)
        check_devices(recipe)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: needed - 1)
    with pytest.raises(InputError, match=f"{needed} GPUs"):
        check_devices(recipe)


def test_gpus_of_a_cluster_are_not_those_of_this_machine(make_tiny, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    check_devices(make_tiny("devices={replicas: 16, cluster: ray}"))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_run_and_plan_refuse_a_faulty_model(tiny_overrides, model, tmp_path, command) -> None:
    (model / "model.safetensors").unlink()
    settings = [*tiny_overrides, "model.tiny=null", f"model.path={model}"]
    arguments = [part for one in settings for part in ("--set", one)]
    quickstart = str(ROOT / "recipes" / "quickstart.yaml")
    result = CliRunner().invoke(
        app, [command, quickstart, "--home", str(tmp_path / "home"), *arguments]
    )
    assert result.exit_code == 2
    assert "weights missing" in result.output
    assert not (tmp_path / "home").exists()


def test_a_given_reward_model_that_cannot_read_what_is_sampled_is_refused(make_tiny, model) -> None:
    from training.models.loading.weights import load_classifier

    load_classifier(model, "float32", new_head=True).save_pretrained(model)
    given = f"rewards={{given: {{path: {model}}}}}"
    recipe = make_tiny(given, "loop.ranker=given")
    check_local_models(recipe)
    feedback = "feedback: {labels: 8, oracle: gold, replay: 0, reward_model: {max_tokens: 129}}"
    trained = make_tiny(given, f"experiments={{one: {{ranker: given, {feedback}}}}}")
    with pytest.raises(
        InputError, match=r"at least 129 tokens, the largest feedback\.reward_model"
    ):
        check_local_models(trained)
    replace(
        model / "config.json", '"max_position_embeddings": 128', '"max_position_embeddings": 96'
    )
    with pytest.raises(InputError, match="at least 128 tokens, the largest sampling"):
        check_local_models(recipe)
    check_local_models(make_tiny(given))  # nothing ranks by it


@pytest.mark.parametrize(
    ("setting", "ranker", "words"),
    [
        ("rewards={given: {path: no/model}}", "given", "the reward model no/model cannot be read"),
        ("judge={path: no/judge}", "judge", "the judge no/judge cannot be read"),
    ],
)
def test_a_ranker_that_is_no_folder_and_has_no_revision_is_refused(
    make_tiny, setting, ranker, words
) -> None:
    ranked = f"experiments={{one: {{ranker: {ranker}}}, other: {{}}}}"
    recipe, scored = make_tiny(setting, ranked), {"iteration_1/scores"}
    with pytest.raises(InputError, match=words):
        check_named_models(recipe, {"one": scored})
    check_named_models(recipe, {"other": scored, "one": {"preference_pairs"}})
    pinned = setting.replace("}", ", revision: abc}", 1)
    check_named_models(make_tiny(pinned, ranked), {"one": scored})


BENCH = "{questions: {files: [q]}, judge_prompts: {files: [p]}, references: {files: [r]}}"
FEEDBACK = "experiments={one: {feedback: {labels: 5, choice: random, oracle: judge}}}"


@pytest.mark.parametrize(
    ("settings", "asset"),
    [
        (("evaluation.rewards=[given]",), "evaluation"),
        (("evaluation.rewards=[given]",), "baseline_evaluation"),
        (("promotion={metric: win_rate_judge, split: validation}",), "promotion"),
        ((f"benchmarks={{mt_bench: {{max_tokens: 16, data: {BENCH}}}}}",), "benchmarks/mt_bench"),
        ((FEEDBACK,), "iteration_1/preference_labels"),
    ],
)
def test_models_that_only_measure_or_label_are_refused_too(make_tiny, settings, asset) -> None:
    models = ("rewards={given: {path: no/model}}", "judge={path: no/model}")
    experiments = () if FEEDBACK in settings else ("experiments={one: {}}",)
    recipe = make_tiny(*models, *experiments, *settings)
    check_named_models(recipe, {"one": {"iteration_1/policy", "reward_bench"}})
    with pytest.raises(InputError, match="no/model cannot be read"):
        check_named_models(recipe, {"one": {asset}})


def test_a_missing_file_of_a_source_to_read_is_refused_with_the_names_like_it(tmp_path) -> None:
    (tmp_path / "pairs.parquet").touch()
    source = f"{{entry: standard_pairs, roles: [preferences], files: [{tmp_path}/pair.parquet]}}"
    recipe = load_recipe(ROOT / "recipes" / "quickstart.yaml", [f"sources.mine={source}"])
    check_source_files(recipe, ["raw_sample_prompts", "preference_pairs"])
    with pytest.raises(InputError, match=r"did you mean pairs\.parquet in "):
        check_source_files(recipe, ["raw_mine"])
