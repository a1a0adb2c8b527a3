"""Training and scoring read the same token ids, whatever the chat template writes."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from transformers import AutoTokenizer

from training.models.initial_model import fetch_initial_model
from training.models.rendering import (
    extract_texts,
    load_tokenizer,
    render_text,
    tokenize_conversations,
    tokenize_prompts,
)
from training.models.token_counts import count_tokens
from training.models.token_ids import tokenize_responses
from training.reward_model import tokenize_pairs
from training.settings.model import ModelSettings
from training.sft import label_assistant_tokens
from transforms.errors import InputError
from transforms.identity import identify_messages

ROOT = Path(__file__).resolve().parents[3]

ROLES_ON_LINES = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message.role + '|>\\n' }}"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content + eos_token }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message.content + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
"""In the shape of ChatML: every role on its line, a newline behind each turn."""

TRIMMED = (
    "{{ bos_token }}{% for message in messages %}{{ '<|' + message.role + '|>' }}"
    "{% if message.role == 'assistant' %}"
    "{% generation %}{{ message.content | trim + eos_token }}{% endgeneration %}"
    "{% else %}{{ message.content | trim + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""In the shape of Llama 3: contents trimmed, each turn behind an end of its own."""

WITHOUT_BOS = ROLES_ON_LINES.removeprefix("{{ bos_token }}")
"""In the shape of Qwen 2: no BOS at all."""

TEMPLATES = {"own": None, "lines": ROLES_ON_LINES, "trimmed": TRIMMED, "without_bos": WITHOUT_BOS}


@pytest.fixture(params=sorted(TEMPLATES))
def folder(request, tiny_policy, tmp_path) -> Path:
    """A copy of the tiny policy's folder with one of the templates."""
    for file in tiny_policy.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    if TEMPLATES[request.param] is not None:
        (tmp_path / "chat_template.jinja").write_text(TEMPLATES[request.param])
    return tmp_path


@pytest.fixture
def pairs(preference_pairs) -> pl.DataFrame:
    """Pairs of which one has spaces around its response, and one an earlier turn."""
    turns = [
        {"role": "user", "content": "name a tree"},
        {"role": "assistant", "content": "the tree ."},
        {"role": "user", "content": "name a cat"},
    ]
    spaces = [{"role": "assistant", "content": " the cat . "}]
    kind = preference_pairs.schema["prompt"]
    prompts = [turns, *preference_pairs["prompt"].to_list()[1:]]
    chosen = [*preference_pairs["chosen"].to_list()[:-1], spaces]
    return preference_pairs.with_columns(
        prompt=pl.Series(prompts, dtype=kind), chosen=pl.Series(chosen, dtype=kind)
    )


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_every_stage_reads_the_same_token_ids(folder, pairs, side):
    tokenizer = load_tokenizer(folder)
    prompts = pairs["prompt"].to_list()
    scored = tokenize_conversations(tokenizer, prompts, extract_texts(pairs[side]))
    sampled = tokenize_prompts(tokenizer, prompts)
    rows = tokenize_responses(tokenizer, pairs)
    assert rows["prompt_ids"].to_list() == sampled
    completed = rows.select(pl.concat_list("prompt_ids", f"{side}_ids")).to_series()
    assert completed.to_list() == scored
    assert tokenize_pairs(tokenizer, pairs)[f"{side}_ids"].to_list() == scored
    counted = next(
        count_tokens(
            [pairs.with_columns(source=pl.lit("s"))], folder, tokenizer_id="t", total=pairs.height
        )
    )
    assert (counted["prompt_tokens"] + counted[f"{side}_tokens"]).to_list() == list(
        map(len, scored)
    )
    # a vocabulary of words has no token where the response that begins with a space begins
    demonstrations = pairs.head(-1).select(
        row_key="pair_id", messages=pl.concat_list("prompt", side)
    )
    fitted = label_assistant_tokens(tokenizer, demonstrations)
    assert fitted["input_ids"].to_list() == scored[:-1]


def test_rendered_text_has_the_same_token_ids(folder, pairs):
    tokenizer = load_tokenizer(folder)
    prompt = pairs["prompt"][0].to_list()
    (ids,) = tokenize_prompts(tokenizer, [prompt])
    text = render_text(tokenizer, prompt, continue_last=False)
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids


def test_a_tokenizer_that_pads_with_the_end_of_turn_is_refused(tiny_policy, tmp_path):
    for file in tiny_policy.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="cannot pad"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_that_pads_with_the_end_of_turn_can_sample_and_judge(tiny_policy, tmp_path):
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    assert load_tokenizer(folder, pads=False).pad_token == tokenizer.eos_token


def name_templates(folder: Path, **templates: str) -> Path:
    """Store a set of named templates as older tokenizers do, in tokenizer_config.json."""
    (folder / "chat_template.jinja").unlink()
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config["chat_template"] = [{"name": name, "template": text} for name, text in templates.items()]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_of_a_set_of_named_templates_the_default_is_used(tiny_policy, demonstrations, tmp_path):
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    own = (folder / "chat_template.jinja").read_text()
    tokenizer = load_tokenizer(name_templates(folder, default=own, tool_use=ROLES_ON_LINES))
    assert tokenizer.chat_template == own
    fetch_initial_model(ModelSettings(path=str(folder), dtype="float32"), tmp_path / "initial")
    fetched = load_tokenizer(tmp_path / "initial")
    expected = label_assistant_tokens(load_tokenizer(tiny_policy), demonstrations)
    assert label_assistant_tokens(fetched, demonstrations).equals(expected)


def test_a_set_of_named_templates_without_default_is_refused(tiny_policy, tmp_path):
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    name_templates(folder, chat=ROLES_ON_LINES, tool_use=ROLES_ON_LINES)
    with pytest.raises(InputError, match="the templates chat, tool_use"):
        load_tokenizer(folder)


@pytest.fixture
def without_system(tiny_policy, tmp_path):
    """A tokenizer whose template refuses a system turn, as Gemma's does."""
    folder = shutil.copytree(tiny_policy, tmp_path / "model")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("['system', 'user'", "['user'"))
    return load_tokenizer(folder)


def test_a_refused_system_turn_is_named_with_its_row(without_system, demonstrations, pairs):
    system = {"role": "system", "content": "be brief"}
    kind = demonstrations.schema["messages"]
    messages = demonstrations["messages"].to_list()
    rows = demonstrations.with_columns(
        messages=pl.Series([*messages[:3], [system, *messages[3]], *messages[4:]], dtype=kind)
    )
    with pytest.raises(InputError, match=r"row_key row-3\n[^~]*system_turn: fold"):
        label_assistant_tokens(without_system, rows)
    prompts = [[system, *prompt] for prompt in pairs["prompt"].to_list()]
    told = pairs.with_columns(prompt=pl.Series(prompts, dtype=kind))
    prompt_id = told.select(identify_messages("prompt"))["prompt"][0]
    for render in (tokenize_pairs, tokenize_responses):
        with pytest.raises(InputError, match=f"prompt_id {prompt_id}"):
            render(without_system, told)


def test_an_incomplete_folder_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="incomplete"):
        load_tokenizer(tmp_path)


def test_chat_templates_are_applied_in_one_module():
    files = [
        file
        for room in ("assets", "training", "transforms")
        for file in (ROOT / room).rglob("*.py")
    ]
    applied = [file.name for file in files if ".apply_chat_template(" in file.read_text()]
    assert applied == ["rendering.py"]
