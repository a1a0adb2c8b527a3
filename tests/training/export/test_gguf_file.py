"""GGUF files: read back through transformers, with equal logits and tokens."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from training.models.initial_model import make_tiny_model
from training.settings.model import TinyModelSettings
from transforms.errors import InputError

gguf = pytest.importorskip("gguf")

from training.export.gguf_file import require_writable, write_gguf  # noqa: E402
from training.export.gguf_tokenizer import LLAMA_3, find_pre_tokenizer  # noqa: E402

TALK = [[{"role": "user", "content": "a b 12"}, {"role": "assistant", "content": "the cat is 3."}]]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A Llama with grouped heads whose tokenizer llama.cpp knows."""
    folder = tmp_path_factory.mktemp("gguf") / "model"
    settings = TinyModelSettings(
        tokenizer="byte_bpe", vocab_size=300, layers=2, heads=1, hidden_size=32
    )
    make_tiny_model(settings, TALK, folder, seed=0)
    config = LlamaConfig.from_pretrained(folder, num_attention_heads=4, num_key_value_heads=2)
    config.head_dim = 8
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def read_back(folder, file):
    return AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32)


def test_logits_of_the_file_are_equal(model, tmp_path):
    require_writable(model)
    write_gguf(model, tmp_path / "model.gguf")
    tokens = torch.tensor([[1, 20, 30, 40, 50]])
    whole = AutoModelForCausalLM.from_pretrained(model)(tokens).logits
    assert torch.equal(read_back(tmp_path, "model.gguf")(tokens).logits, whole)


def test_the_file_is_closed_if_it_cannot_be_written(model, tmp_path, monkeypatch):
    writers = []

    def fail(writer, values):
        writers.append(writer)
        raise OSError("no space left")

    monkeypatch.setattr(gguf.GGUFWriter, "write_tensor_data", fail)
    with pytest.raises(OSError, match="no space left"):
        write_gguf(model, tmp_path / "model.gguf")
    assert [writer.fout for writer in writers] == [None]


def test_the_file_has_the_tokenizer_and_the_template(model, tmp_path):
    write_gguf(model, tmp_path / "model.gguf")
    given = AutoTokenizer.from_pretrained(model)
    found = AutoTokenizer.from_pretrained(tmp_path, gguf_file="model.gguf")
    text = "<|user|>the cat is 12<eos>"
    assert found(text)["input_ids"] == given(text)["input_ids"]
    assert found.chat_template == given.chat_template
    assert (found.bos_token_id, found.eos_token_id) == (given.bos_token_id, given.eos_token_id)
    fields = gguf.GGUFReader(tmp_path / "model.gguf").fields
    assert fields["tokenizer.ggml.pre"].contents() == "gpt-2"
    assert fields["tokenizer.ggml.add_bos_token"].contents() is False
    types = fields["tokenizer.ggml.token_type"].contents()
    assert types[given.eos_token_id] == gguf.TokenType.CONTROL


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_the_file_has_the_type_of_the_weights(model, tmp_path, dtype):
    folder = shutil.copytree(model, tmp_path / "rounded")
    rounded = AutoModelForCausalLM.from_pretrained(model, dtype=dtype)
    rounded.save_pretrained(folder)
    write_gguf(folder, tmp_path / "model.gguf")
    tokens = torch.tensor([[1, 20, 30]])
    found = read_back(tmp_path, "model.gguf")(tokens).logits
    assert torch.equal(found, rounded.float()(tokens).logits)


def test_stretched_positions_are_factors_of_the_frequencies(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "stretched")
    config = LlamaConfig.from_pretrained(folder)
    config.rope_parameters = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16,
    }
    config.save_pretrained(folder)
    require_writable(folder)
    write_gguf(folder, tmp_path / "model.gguf")
    tensors = {one.name: one.data for one in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    factors = tensors["rope_freqs.weight"]
    # wavelengths of 6.3 tokens (between 16/4 and 16), 63, 628 and 6,283 tokens
    assert 1 < factors[0] < 8
    assert factors[1:] == pytest.approx([8, 8, 8])


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([{"type": "Digits", "individual_digits": True}], "smollm"),
        (
            [
                {
                    "type": "Split",
                    "pattern": {"Regex": LLAMA_3},
                    "behavior": "Isolated",
                    "invert": False,
                }
            ],
            "llama-bpe",
        ),
        ([{"type": "Digits", "individual_digits": False}], None),
    ],
)
def test_the_rule_of_the_words_is_named_or_refused(model, tmp_path, steps, name):
    folder = shutil.copytree(model, tmp_path / "other")
    rules = json.loads((folder / "tokenizer.json").read_text())
    last = {**rules["pre_tokenizer"], "use_regex": name != "llama-bpe"}
    rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*steps, last]}
    (folder / "tokenizer.json").write_text(json.dumps(rules))
    if name is None:
        with pytest.raises(InputError, match=r"convert_hf_to_gguf.py"):
            find_pre_tokenizer(folder)
    else:
        assert find_pre_tokenizer(folder) == name


def test_a_tokenizer_of_whole_words_is_refused(tiny_policy):
    with pytest.raises(InputError, match="WordLevel"):
        require_writable(tiny_policy)
