import json
import shutil

import polars as pl
import pytest
from safetensors.torch import load_file, save_file

from training.models.checkpoint import hash_checkpoint, require_model
from training.models.initial_model import make_tiny_model
from training.models.rendering import load_tokenizer
from training.runs.run_record import read_run
from training.settings.stages import SFTSettings
from training.sft import IGNORED, label_assistant_tokens, train_sft
from transforms.errors import InputError
from transforms.lake.schemas.table import MESSAGES

SETTINGS = SFTSettings(
    learning_rate=1e-2,
    max_steps=3,
    batch_size=4,
    micro_batch_size=4,
    max_tokens=32,
    logging_steps=2,
)


def run(frame, model, output, settings=SETTINGS, **kwargs):
    return train_sft(frame, model, output, settings, seed=0, dtype="float32", **kwargs)


def test_loss_is_on_assistant_tokens_only(tiny_policy, demonstrations):
    tokenizer = load_tokenizer(tiny_policy)
    example = label_assistant_tokens(tokenizer, demonstrations).row(0, named=True)
    ids, labels = example["input_ids"], example["labels"]
    answer = [*tokenizer("the cat is red .")["input_ids"], tokenizer.eos_token_id]
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[-len(answer) :] == answer
    assert labels == [IGNORED] * (len(ids) - len(answer)) + answer


def test_run_leaves_a_complete_checkpoint_and_its_facts(tiny_policy, demonstrations, tmp_path):
    seen = []
    result = run(
        demonstrations, tiny_policy, tmp_path / "sft", report=lambda *step: seen.append(step)
    )
    require_model(tmp_path / "sft")
    names = {file.name for file in (tmp_path / "sft").iterdir()}
    assert {"settings.json", "metrics.jsonl", "run.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pkl"))]
    assert json.loads((tmp_path / "sft" / "settings.json").read_text()) == SETTINGS.model_dump(
        mode="json"
    )
    again = read_run(tmp_path / "sft")
    assert again.metrics.equals(result.metrics)
    assert (again.examples, again.steps) == (result.examples, result.steps) == (12, 3)
    # the first step, every second, and the last
    logged = result.metrics.filter(pl.col("metric") == "loss")
    assert logged["step"].to_list() == [1, 2, 3]
    assert {"loss", "grad_norm", "learning_rate"} <= set(result.metrics["metric"])
    assert [(step, total) for step, total, _ in seen][:3] == [(1, 3), (2, 3), (3, 3)]
    assert [path.name for path in tmp_path.iterdir()] == ["sft"]


def test_same_seed_same_checkpoint(tiny_policy, demonstrations, tmp_path):
    for name in ("a", "b"):
        run(demonstrations, tiny_policy, tmp_path / name)
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")
    assert hash_checkpoint(tmp_path / "a") != hash_checkpoint(tiny_policy)


def test_long_conversation_is_dropped_by_name(tiny_policy, demonstrations, tmp_path):
    long = [{"role": "user", "content": "cat " * 40}, {"role": "assistant", "content": "dog"}]
    rows = pl.DataFrame(
        {"row_key": ["long"], "messages": [long]},
        schema={"row_key": pl.String, "messages": MESSAGES},
    )
    result = run(pl.concat([demonstrations, rows]), tiny_policy, tmp_path / "sft")
    assert result.dropped.rows() == [("long", "too_long", "45 tokens, at most 32")]
    assert result.examples == 12
    assert read_run(tmp_path / "sft").dropped.equals(result.dropped)
    with pytest.raises(InputError, match="nothing to train on"):
        run(rows, tiny_policy, tmp_path / "none")


def test_packing_trains(tiny_policy, demonstrations, tmp_path):
    result = run(
        demonstrations, tiny_policy, tmp_path / "sft", SETTINGS.model_copy(update={"packing": True})
    )
    assert result.steps == 3


def test_conversation_without_assistant_is_refused_by_key(tiny_policy, tmp_path):
    rows = pl.DataFrame(
        {"row_key": ["mute"], "messages": [[{"role": "user", "content": "cat"}]]},
        schema={"row_key": pl.String, "messages": MESSAGES},
    )
    with pytest.raises(InputError, match="row_key mute"):
        run(rows, tiny_policy, tmp_path / "sft")


def edited(source, target, old, new):
    """Copy a model, its chat template changed."""
    model = shutil.copytree(source, target)
    template = (model / "chat_template.jinja").read_text()
    assert old in template
    (model / "chat_template.jinja").write_text(template.replace(old, new))
    return model


def test_a_template_without_marks_has_the_labels_of_one_with_marks(
    tiny_policy, demonstrations, tmp_path
):
    model = edited(
        tiny_policy,
        tmp_path / "model",
        "{%- generation -%}{{- message['content'] + eos_token -}}{%- endgeneration -%}",
        "{{- message['content'] + eos_token -}}",
    )
    labelled = [
        label_assistant_tokens(load_tokenizer(folder), demonstrations)
        for folder in (model, tiny_policy)
    ]
    assert labelled[0].equals(labelled[1])


def test_template_that_leaves_the_end_out_of_the_loss_is_refused(
    tiny_settings, demonstrations, tmp_path
):
    settings = tiny_settings.model_copy(update={"tokenizer": "byte_bpe", "vocab_size": 300})
    make_tiny_model(settings, demonstrations["messages"].to_list(), tmp_path / "bytes", seed=0)
    model = edited(
        tmp_path / "bytes",
        tmp_path / "model",
        "+ eos_token -}}{%- endgeneration -%}",
        "-}}{%- endgeneration -%}{{- eos_token -}}",
    )
    with pytest.raises(InputError, match="end of a turn out of the loss"):
        run(demonstrations, model, tmp_path / "sft")


def test_diverged_run_stops_and_leaves_no_checkpoint(tiny_policy, demonstrations, tmp_path):
    model = shutil.copytree(tiny_policy, tmp_path / "model")
    weights = load_file(model / "model.safetensors")
    weights["lm_head.weight"] *= float("inf")
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(FloatingPointError, match="diverged"):
        run(demonstrations, model, tmp_path / "sft")
    assert not (tmp_path / "sft").exists()


def test_pad_equal_to_eos_is_refused(tiny_policy, demonstrations, tmp_path):
    model = shutil.copytree(tiny_policy, tmp_path / "model")
    tokenizer = load_tokenizer(model)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(model)
    with pytest.raises(InputError, match="cannot pad"):
        run(demonstrations, model, tmp_path / "sft")


def test_settings_for_other_processes_are_refused(tiny_policy, demonstrations, tmp_path):
    with pytest.raises(InputError, match="processes: 2"):
        run(
            demonstrations,
            tiny_policy,
            tmp_path / "sft",
            SFTSettings(batch_size=4, micro_batch_size=2, processes=2),
        )
