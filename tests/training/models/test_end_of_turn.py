"""The token that ends a turn is the one at which sampling stops, and no padding."""

import shutil
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from training.dpo import train_dpo
from training.engine.sampler import Sampler
from training.models.end_of_turn import find_end_of_turn, require_one_rendering
from training.models.initial_model import fetch_initial_model
from training.models.rendering import load_tokenizer, tokenize_conversations
from training.reference_logps import add_reference_logps
from training.settings.model import ModelSettings
from training.settings.objectives import DPOSettings
from training.settings.sampling import SamplingSettings
from training.settings.stages import SFTSettings
from training.sft import IGNORED, label_assistant_tokens, train_sft
from transforms.errors import InputError

END = "<|im_end|>"


@pytest.fixture
def base_model(tiny_policy, tmp_path) -> Path:
    """A base model: its template ends a turn with a token that is not its tokenizer's EOS."""
    folder = shutil.copytree(tiny_policy, tmp_path / "base")
    change_tokenizer(folder, END)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(AutoTokenizer.from_pretrained(folder)))
    model.save_pretrained(folder)
    return folder


def change_tokenizer(folder: Path, end: str, **changes: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([end], special_tokens=True)
    tokenizer.chat_template = tokenizer.chat_template.replace("+ eos_token", f"+ '{end}'")
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    tokenizer.save_pretrained(folder)


def fetch(folder: Path, output: Path) -> Path:
    fetch_initial_model(ModelSettings(path=str(folder), dtype="float32"), output)
    return output


def test_a_base_model_stops_at_the_end_of_its_turn(base_model, demonstrations, tmp_path):
    """In the tokenizer, in generation and in the labels, for pi_0 as for the initial model."""
    with pytest.raises(InputError, match="does not end the assistant's turn"):
        find_end_of_turn(load_tokenizer(base_model), base_model)
    initial = fetch(base_model, tmp_path / "initial")
    settings = SFTSettings(batch_size=4, micro_batch_size=4, max_steps=1)
    train_sft(demonstrations, initial, tmp_path / "sft", settings, seed=0, dtype="float32")
    for folder in (initial, tmp_path / "sft"):
        tokenizer = load_tokenizer(folder)
        assert tokenizer.eos_token == END
        stops = GenerationConfig.from_pretrained(folder).eos_token_id
        assert tokenizer.convert_tokens_to_ids(["<eos>", END]) == sorted(stops)
        assert find_end_of_turn(tokenizer, folder) == tokenizer.eos_token_id
        assert tokenizer.pad_token_id not in stops
    labels = label_assistant_tokens(tokenizer, demonstrations)["labels"].to_list()
    assert {row[-1] for row in labels} == {tokenizer.eos_token_id}
    assert all(IGNORED in row for row in labels)


def test_a_model_that_would_never_stop_is_not_sampled(base_model):
    settings = SamplingSettings(max_tokens=8, max_context_tokens=64)
    with (
        pytest.raises(InputError, match="does not end the assistant's turn"),
        Sampler(base_model, settings, seed=0, dtype="float32"),
    ):
        pass


@pytest.mark.parametrize("pad", [END, "<eos>"])
def test_a_pad_token_that_ends_a_turn_gets_a_successor(base_model, preference_pairs, tmp_path, pad):
    """Else training reads the token before the end of a turn, and scoring the end."""
    change_tokenizer(base_model, END, pad_token=pad)
    with pytest.raises(InputError, match="cannot pad"):
        load_tokenizer(base_model)
    load_tokenizer(base_model, pads=False)
    initial = fetch(base_model, tmp_path / "initial")
    tokenizer = load_tokenizer(initial)
    prompts = preference_pairs["prompt"].to_list()
    rows = tokenize_conversations(tokenizer, prompts, ["the cat ."] * len(prompts))
    assert {row[-1] for row in rows} == {tokenizer.convert_tokens_to_ids(END)}
    assert all(tokenizer.pad_token_id not in row for row in rows)


def test_the_end_of_turn_is_in_the_loss_of_dpo(base_model, preference_pairs, tmp_path):
    initial = fetch(base_model, tmp_path / "initial")
    settings = DPOSettings(batch_size=8, micro_batch_size=8, max_tokens=32, max_steps=1)
    rows = add_reference_logps(preference_pairs, initial, initial, settings, dtype="float32").pairs
    end = load_tokenizer(initial).eos_token_id
    assert {ids[-1] for ids in [*rows["chosen_ids"], *rows["rejected_ids"]]} == {end}
    train_dpo(rows, initial, tmp_path / "dpo", settings, seed=0, dtype="float32")


def test_a_template_that_ends_a_turn_with_plain_text_is_refused(base_model, tmp_path):
    template = base_model / "chat_template.jinja"
    template.write_text(template.read_text().replace(f"+ '{END}'", "+ ' .'"))
    with pytest.raises(InputError, match="does not end the assistant's turn"):
        fetch(base_model, tmp_path / "initial")


def test_a_template_that_also_begins_turns_with_eos_is_refused(base_model, tmp_path):
    """Another EOS would change how such a template renders."""
    template = base_model / "chat_template.jinja"
    text = template.read_text().replace(f"+ '{END}'", f"+ eos_token + '{END}'")
    template.write_text(text)
    with pytest.raises(InputError, match="whatever eos_token is"):
        fetch(base_model, tmp_path / "initial")


def test_a_template_that_renders_a_prompt_in_two_ways_is_refused_before_training(
    tiny_policy, tmp_path
):
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    require_one_rendering(load_tokenizer(folder), folder)
    template = folder / "chat_template.jinja"
    # as a template that shows a thought in the last turn only
    text = template.read_text().replace(
        "{{- message['content'] + eos_token -}}",
        "{%- if loop.last -%}{{- 'thought ' -}}{%- endif -%}{{- message['content'] + eos_token -}}",
    )
    template.write_text(text.replace("{{- '<|assistant|>' -}}", "{{- '<|assistant|>name ' -}}"))
    with pytest.raises(InputError, match="renders a prompt in two ways"):
        fetch(folder, tmp_path / "initial")
    assert not (tmp_path / "initial").exists()
