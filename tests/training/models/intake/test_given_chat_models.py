"""A chat model is taken as it is: its pad token, its template and its BOS."""

import json
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from training.models.initial_model import fetch_initial_model
from training.models.intake.chat_template import find_default_system_prompt
from training.models.rendering import load_tokenizer
from training.settings.model import ModelSettings
from transforms.errors import InputError

from .conftest import CHATML, FREE, SYSTEM


def fetch(folder: Path, output: Path) -> dict[str, str | None]:
    return fetch_initial_model(ModelSettings(path=str(folder), dtype="float32"), output)


def count_rows(folder: Path) -> int:
    return AutoModelForCausalLM.from_pretrained(folder).get_input_embeddings().num_embeddings


def test_a_token_that_nothing_uses_pads_and_the_vocabulary_stays(chatml, tmp_path):
    found = fetch(chatml, tmp_path / "initial")
    tokenizer = load_tokenizer(tmp_path / "initial")
    assert tokenizer.pad_token == found["pad_token"] == FREE
    assert count_rows(tmp_path / "initial") == count_rows(chatml) == len(tokenizer)


def test_without_such_a_token_the_vocabulary_grows_to_whole_blocks(make_chatml, tmp_path):
    fetch(make_chatml(), tmp_path / "initial")
    assert load_tokenizer(tmp_path / "initial").pad_token == "<pad>"
    assert count_rows(tmp_path / "initial") % 64 == 0


def test_a_token_that_the_template_writes_does_not_pad(make_chatml, tmp_path):
    template = CHATML.replace("{% for", "{% if tools %}{{ '<file_sep>' }}{% endif %}{% for")
    found = fetch(make_chatml("<file_sep>", "<gh_stars>", template=template), tmp_path / "initial")
    assert found["pad_token"] == "<gh_stars>"


def test_a_default_system_prompt_is_kept_and_recorded(chatml, tmp_path):
    found = fetch(chatml, tmp_path / "initial")
    assert found["default_system_prompt"] == SYSTEM
    assert load_tokenizer(tmp_path / "initial").chat_template == CHATML
    settings = json.loads((tmp_path / "initial" / "settings.json").read_text())
    assert settings["found"] == found


def test_templates_without_a_default_system_prompt(tiny_policy, chatml):
    tokenizer = load_tokenizer(tiny_policy)
    assert find_default_system_prompt(tokenizer) is None
    folded = "{% for m in messages %}{{ m.content + '\n' }}{% endfor %}"
    refuses = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    for template in (folded, refuses + folded):
        tokenizer.chat_template = template
        assert find_default_system_prompt(tokenizer) is None


def test_a_template_that_doubles_the_bos_is_refused(make_chatml, tmp_path):
    doubled = make_chatml(FREE, template="{{ bos_token }}" + CHATML)
    with pytest.raises(InputError, match="begins a conversation with two BOS"):
        fetch(doubled, tmp_path / "initial")


def test_a_hub_model_that_cannot_be_reached_is_one_clear_error(tmp_path):
    model = ModelSettings(path="org/model", revision="main")
    with pytest.raises(InputError, match="without network, download the model before"):
        fetch_initial_model(model, tmp_path / "initial")
    assert not (tmp_path / "initial").exists()
