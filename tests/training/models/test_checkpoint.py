import os
import shutil

import pytest
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from training.models.checkpoint import (
    build_folder,
    hash_checkpoint,
    identify_model,
    require_model,
    save_settings,
)
from transforms.errors import InputError


@pytest.fixture
def copy(tiny_policy, tmp_path):
    return shutil.copytree(tiny_policy, tmp_path / "copy")


def test_id_is_of_the_content_not_of_the_place_or_the_settings(tiny_policy, copy):
    save_settings(copy, {"anything": 1})
    assert hash_checkpoint(copy) == hash_checkpoint(tiny_policy)
    assert len(hash_checkpoint(copy)) == 32


@pytest.mark.parametrize("file", ["model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_id_changes_with_weights_tokenizer_and_template(tiny_policy, copy, file):
    changed = bytearray((copy / file).read_bytes())
    changed[-1] ^= 1
    (copy / file).write_bytes(changed)
    assert hash_checkpoint(copy) != hash_checkpoint(tiny_policy)


def test_id_of_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(InputError, match="safetensors"):
        hash_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("file", "missing"),
    [
        ("config.json", "config.json"),
        ("model.safetensors", "weights"),
        ("tokenizer.json", "tokenizer"),
        ("chat_template.jinja", "chat template"),
    ],
)
def test_an_incomplete_model_is_refused_by_name(copy, file, missing):
    require_model(copy)
    (copy / file).unlink()
    with pytest.raises(InputError, match=missing):
        require_model(copy)


def test_weights_that_were_cut_short_are_refused(copy):
    weights = copy / "model.safetensors"
    os.truncate(weights, weights.stat().st_size // 2)
    with pytest.raises(InputError, match=r"model.safetensors are damaged"):
        require_model(copy)


def test_an_adapter_is_refused_with_the_name_of_its_model(copy):
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    with pytest.raises(InputError, match=r"adapter .LoRA.*\n.*\n.*org/base\n.*merge"):
        require_model(copy)


@pytest.fixture
def divided(tiny_policy, tmp_path):
    folder = shutil.copytree(tiny_policy, tmp_path / "divided")
    model = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2
    return folder


def test_a_missing_file_of_a_divided_model_is_named(divided):
    require_model(divided)
    lost = sorted(divided.glob("model-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(InputError, match=f"no {lost.name}; missing files: 1"):
        require_model(divided)


def test_a_divided_model_without_its_index_is_refused(divided):
    (divided / "model.safetensors.index.json").unlink()
    with pytest.raises(InputError, match=r"no model.safetensors; missing files: 1"):
        require_model(divided)


@pytest.mark.parametrize("file", ["chat_template.jinja", "config.json", "model.safetensors"])
def test_an_edited_file_of_a_local_model_changes_its_identity(copy, file):
    before = identify_model(str(copy))["files"]
    with (copy / file).open("ab") as stream:
        stream.write(b" ")
    after = identify_model(str(copy))["files"]
    assert {name for name in before if after[name] != before[name]} == {file}


def test_a_copy_of_a_model_elsewhere_is_the_same(copy, tmp_path):
    before = identify_model(str(copy))
    shutil.copytree(copy, tmp_path / "elsewhere" / copy.name)
    assert identify_model(str(tmp_path / "elsewhere" / copy.name)) == before
    assert before["folder"] == copy.name


@pytest.mark.parametrize("model", ["org/model", None])
def test_a_hub_id_identifies_its_model(model):
    assert identify_model(model) == model


def test_a_model_that_renders_no_conversations_needs_no_template(copy):
    (copy / "chat_template.jinja").unlink()
    require_model(copy, chat_template=False)


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        require_model(tmp_path / "absent")


def test_an_interrupted_build_leaves_the_old_folder_alone(tmp_path):
    output = tmp_path / "model"
    with build_folder(output) as folder:
        (folder / "weights").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupt(output)
    assert (output / "weights").read_text() == "old"
    with build_folder(output) as folder:
        assert list(folder.iterdir()) == []
        (folder / "weights").write_text("new")
    assert (output / "weights").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def interrupt(output):
    with build_folder(output) as folder:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt


def test_weights_can_be_read_by_those_who_can_read_the_other_files(tmp_path):
    output = tmp_path / "model"
    with build_folder(output) as folder:
        save_file({"weight": torch.zeros(1)}, folder / "model.safetensors")
        (folder / "config.json").write_text("{}")
    modes = {file.name: file.stat().st_mode for file in output.iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]
