"""The token that ends a turn is the one at which sampling stops, and no padding."""

import shutil
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import trl
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from training.dpo import train_dpo
from training.engine.sampler import Sampler
from training.models.end_of_turn import find_end_of_turn, require_one_rendering
from training.models.initial_model import fetch_initial_model, make_tiny_model
from training.models.rendering import load_tokenizer, tokenize_conversations
from training.reference_logps import add_reference_logps
from training.settings.model import ModelSettings, TinyModelSettings
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
    content = "message['content'] + "
    text = template.read_text().replace(f"{content}'{END}'", f"eos_token + {content}'{END}'")
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


class Family(NamedTuple):
    """The end tokens of a family of base models, whose chat template TRL has a copy of."""

    template: str
    end_of_turn: str
    eos: str
    pad: str | None
    others: tuple[str, ...]
    fetched_pad: str
    fetched_eos: str | None = None
    """The template writes EOS, too, after the end of a turn."""


FAMILIES = [
    Family("qwen2_5", END, "<|endoftext|>", "<|endoftext|>", ("<|im_start|>",), "<|endoftext|>"),
    Family(
        "llama3",
        "<|eot_id|>",
        "<|end_of_text|>",
        None,
        ("<|start_header_id|>", "<|end_header_id|>"),
        "<pad>",
    ),
    Family("gemma", "<end_of_turn>", "<eos>", "<pad>", ("<start_of_turn>",), "<pad>"),
    Family(
        "phi3",
        "<|end|>",
        "<|endoftext|>",
        "<|endoftext|>",
        ("<|user|>", "<|assistant|>"),
        "<pad>",
        "<|endoftext|>",
    ),
]


@pytest.fixture(params=FAMILIES, ids=[family.template for family in FAMILIES])
def family(request) -> Family:
    return request.param


@pytest.fixture(scope="module")
def byte_model(demonstrations, tmp_path_factory) -> Path:
    """A model whose tokenizer keeps white space, as those of the families do."""
    settings = TinyModelSettings(
        tokenizer="byte_bpe", vocab_size=320, hidden_size=64, intermediate_size=64, layers=1,
        heads=2, context_tokens=256,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "bytes"
    make_tiny_model(settings, demonstrations["messages"].to_list(), folder, seed=0)
    return folder


def make_base_model(model: Path, folder: Path, family: Family) -> Path:
    """A base model of a family, at the size of another model."""
    shutil.copytree(model, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([family.end_of_turn, family.eos, *family.others], special_tokens=True)
    tokenizer.eos_token = family.eos
    tokenizer.pad_token = family.pad
    file = Path(trl.__file__).parent / "chat_templates" / f"{family.template}.jinja"
    tokenizer.chat_template = file.read_text()
    tokenizer.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    return folder


def test_the_end_of_turn_of_every_family_is_learned_and_stops(
    family, byte_model, demonstrations, tmp_path
):
    base = make_base_model(byte_model, tmp_path / "base", family)
    initial = fetch(base, tmp_path / "initial")
    tokenizer = load_tokenizer(initial)
    end = tokenizer.convert_tokens_to_ids(family.end_of_turn)
    assert tokenizer.eos_token == (family.fetched_eos or family.end_of_turn)
    assert tokenizer.pad_token == family.fetched_pad
    assert find_end_of_turn(tokenizer, initial) == end
    assert end in GenerationConfig.from_pretrained(initial).eos_token_id
    labels = label_assistant_tokens(tokenizer, demonstrations)["labels"].to_list()
    trained = [[token for token in row if token != IGNORED] for row in labels]
    assert all(end in row[-3:] for row in trained)  # some templates write more after it


@pytest.mark.slow
def test_a_policy_from_a_base_model_stops(family, byte_model, demonstrations, tmp_path):
    """Fine-tuned, and then trained by DPO, it ends its turns; the base model hardly ever does."""
    base = make_base_model(byte_model, tmp_path / "base", family)
    initial, sft, dpo = (tmp_path / name for name in ("initial", "sft", "dpo"))
    fetch(base, initial)
    settings = SFTSettings(
        batch_size=12, micro_batch_size=12, epochs=60, learning_rate=1e-2, max_tokens=256,
        checkpoint_steps=None,
    )  # fmt: skip
    train_sft(demonstrations, initial, sft, settings, seed=0, dtype="float32")
    prompts = demonstrations.select(
        pl.col("row_key").alias("prompt_id"), pl.col("messages").list.head(1).alias("prompt")
    )
    answers = pl.col("messages").list.slice(1, 1)
    pairs = demonstrations.select(
        prompt_id="row_key",
        prompt=pl.col("messages").list.head(1),
        chosen=answers,
        rejected=answers.shift(1, fill_value=answers.last()),
    )
    one_step = DPOSettings(batch_size=12, micro_batch_size=12, max_tokens=256, max_steps=1)
    rows = add_reference_logps(pairs, sft, sft, one_step, dtype="float32").pairs
    train_dpo(rows, sft, dpo, one_step, seed=0, dtype="float32")
    shares = {}
    for folder in (initial, sft, dpo):
        found: list[pl.DataFrame] = []
        sampling = SamplingSettings(n=4, max_tokens=32, max_context_tokens=256)
        with Sampler(folder, sampling, seed=0, dtype="float32") as sampler:
            sampler.sample(prompts, sampling, commit=found.append)
        shares[folder] = pl.concat(found)["finish_reason"].eq("stop").mean()
    assert shares[initial] < 0.5
    assert min(shares[sft], shares[dpo]) > 0.9
