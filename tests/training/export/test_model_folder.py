"""Models exported as folders for transformers and vLLM."""

import json

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from tests.training.export.model_record import RECORD
from training.export.model_folder import export_model
from training.models.checkpoint import hash_checkpoint
from training.models.loading.config import ADDED_ROWS
from training.models.rendering import render_end
from transforms.errors import InputError


def export(model, folder, *, dtype=None, gguf=False, **record):
    export_model(model, folder, {**RECORD, **record}, dtype=dtype, gguf=gguf)
    return folder


def test_the_exported_model_is_equal_to_the_bit(tiny_policy, tmp_path):
    folder = export(tiny_policy, tmp_path / "out")
    assert hash_checkpoint(folder) == hash_checkpoint(tiny_policy)
    assert not (folder / "settings.json").exists()


def test_another_type_rounds_the_weights_and_is_in_the_config(tiny_policy, tmp_path):
    folder = export(tiny_policy, tmp_path / "out", dtype="bfloat16")
    stored = load_file(tiny_policy / "model.safetensors")
    for name, weight in load_file(folder / "model.safetensors").items():
        assert torch.equal(weight, stored[name].to(torch.bfloat16))
    assert AutoModelForCausalLM.from_pretrained(folder).dtype is torch.bfloat16


def test_a_number_that_the_type_cannot_hold_is_refused(tmp_path, tiny_policy):
    model = AutoModelForCausalLM.from_pretrained(tiny_policy)
    with torch.no_grad():
        model.lm_head.weight[0, 0] = 1e6
    large = export(tiny_policy, tmp_path / "large")
    model.save_pretrained(large)
    with pytest.raises(InputError, match=r"lm_head.weight is too large for float16"):
        export(large, tmp_path / "out", dtype="float16")
    assert not (tmp_path / "out").exists()


def test_generation_stops_at_the_end_of_the_turn(tiny_policy, tmp_path):
    folder = export(tiny_policy, tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (end,) = render_end(tokenizer)
    assert model.generation_config.eos_token_id == end
    assert tokenizer.chat_template == AutoTokenizer.from_pretrained(tiny_policy).chat_template


def test_rows_without_a_token_are_left_out(tiny_policy, tmp_path):
    model = AutoModelForCausalLM.from_pretrained(tiny_policy)
    tokens = torch.tensor([[1, 5, 6]])
    logits = model(tokens).logits
    given = export(tiny_policy, tmp_path / "given")
    model.resize_token_embeddings(model.config.vocab_size + 5)
    setattr(model.config, ADDED_ROWS, 5)
    model.save_pretrained(given)

    exported = AutoModelForCausalLM.from_pretrained(export(given, tmp_path / "out"))
    assert not hasattr(exported.config, ADDED_ROWS)
    assert torch.equal(exported(tokens).logits, logits)


def test_a_reward_model_keeps_its_head(tiny_policy, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(tiny_policy, num_labels=1)
    given = export(tiny_policy, tmp_path / "given")
    model.save_pretrained(given)
    folder = export(given, tmp_path / "out", kind="reward_model")
    exported = AutoModelForSequenceClassification.from_pretrained(folder)
    assert torch.equal(exported.score.weight, model.score.weight)
    tokens = torch.tensor([[1, 5, 6]])
    # the place of weights in memory decides which of two kernels multiplies a single row
    assert torch.allclose(exported(tokens).logits, model(tokens).logits, atol=1e-6)
    assert "text-classification" in (folder / "README.md").read_text()


def test_the_card_and_the_record_tell_where_the_model_comes_from(tiny_policy, tmp_path):
    folder = export(tiny_policy, tmp_path / "out")
    assert json.loads((folder / "prefloop.json").read_text()) == {**RECORD, "dtype": "float32"}
    card = (folder / "README.md").read_text()
    for part in ("base_model: org/base", "| checkpoint id | 2fac4e5480 |", "vllm serve ."):
        assert part in card
    assert "llama-cli" not in card


def test_the_card_has_results_with_errors_data_ranker_and_lineage(tiny_policy, tmp_path):
    result = {"decoding": "sampled", "prompts": 9, "value": 0.5, "standard_error": 0.1}
    score = {"benchmark": "gsm8k", "metric": "exact_match", "value": 25.0, "standard_error": 1.5}
    raw = {"entry": "ultrafeedback", "origin": {"hub_id": "org/set", "revision": "a1", "files": []}}
    ranked = [{"relation": "ranker", "asset": "reward_model", "output_id": "3333333c"}]
    folder = export(
        tiny_policy,
        tmp_path / "out",
        results=[
            {**result, "metric": "reward", "versus": None},
            {**result, "metric": "reward", "versus": "sft_policy", "decoding": "greedy"},
            {**result, "metric": "win_rate_reward", "versus": "sft_policy"},
        ],
        benchmarks=[{**score, "items": 100, "note": None}],
        rows={"raw_set@0": 1000},
        steps=[
            {"asset": "raw_set", "output_id": "raw_set@0", "settings": raw, "inputs": []},
            {"asset": "reward_model", "output_id": "3333333c", "settings": {}, "inputs": []},
            {"asset": "scores", "output_id": "scores@1", "settings": {}, "inputs": ranked},
        ],
    )
    card = (folder / "README.md").read_text()
    for line in (
        "Means over 9 evaluation prompts",
        "| reward | 0.50 ± 0.10 |  |",
        "| reward minus that of sft_policy |  | 0.50 ± 0.10 |",
        "| win_rate_reward over sft_policy | 0.50 ± 0.10 |  |",
        "| gsm8k | exact_match | 25.0 ± 1.5 | 100 |  |",
        "| set | ultrafeedback | org/set at a1 | 1,000 |",
        "ranked by reward_model (`3333333c`)",
        "- scores `scores@1` from reward_model (ranker)",
    ):
        assert line in card
    (described,) = ModelCard.load(folder / "README.md").data.eval_results
    assert (described.dataset_name, described.metric_value) == ("gsm8k", 25.0)


def test_a_folder_with_files_is_refused_and_stays(tiny_policy, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="a folder with files"):
        export(tiny_policy, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_gguf_of_another_family_names_the_other_converter(tiny_policy, tmp_path):
    pytest.importorskip("gguf")
    given = export(tiny_policy, tmp_path / "given")
    config = json.loads((given / "config.json").read_text())
    (given / "config.json").write_text(
        json.dumps({**config, "architectures": ["Qwen3ForCausalLM"]})
    )
    with pytest.raises(InputError, match=r"convert_hf_to_gguf.py"):
        export(given, tmp_path / "out", gguf=True)


def test_gguf_without_its_package_names_the_extra(tiny_policy, tmp_path, monkeypatch):
    monkeypatch.setattr("training.export.model_folder.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"prefloop\[gguf\]"):
        export(tiny_policy, tmp_path / "out", gguf=True)
