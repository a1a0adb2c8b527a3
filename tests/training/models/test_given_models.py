"""Rewards of classifiers that the project did not train: equal to a plain forward pass."""

from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from training.models.initial_model import make_tiny_model
from training.models.rewards import load_reward_model, reads_last_token
from training.scoring import score
from training.settings.model import TinyModelSettings
from training.settings.scoring import ScoringSettings
from transforms.errors import InputError

TALK = "red blue green cat dog owl runs sleeps eats the a of and then"
TINY = TinyModelSettings(
    vocab_size=64, hidden_size=64, intermediate_size=64, layers=1, heads=2, context_tokens=64
)
SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "num_labels": 1,
}
ROWS = pl.DataFrame(
    [
        {"prompt_id": "p", "response_index": index, "response": text,
         "prompt": [{"role": "user", "content": "the red cat"}]}
        for index, text in enumerate(("runs and then sleeps", "eats", "", "of a dog and the owl"))
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    make_tiny_model(TINY, [[{"role": "user", "content": TALK}]], folder / "model", seed=0)
    return folder / "model"


def save_classifier(
    tokenizer_folder: Path, folder: Path, family: str, pad: str | None = "<pad>", **settings
) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(tokenizer_folder)
    pad_id = None if pad is None else tokenizer.convert_tokens_to_ids(pad)
    config = AutoConfig.for_model(
        family, **SHAPE | settings, vocab_size=len(tokenizer), pad_token_id=pad_id
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    model.save_pretrained(folder)
    if pad is not None:
        tokenizer.pad_token = pad
    tokenizer.save_pretrained(folder)
    return folder


def score_rows(folder):
    scored = []
    score(ROWS, folder, ScoringSettings(), dtype="float32", commit=scored.append)
    return pl.concat(scored)["reward"].to_list()


@torch.inference_mode()
def score_plainly(folder):
    """One row at a time, with transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rewards = []
    for prompt, response in ROWS.select("prompt", "response").iter_rows():
        turns = [*prompt, {"role": "assistant", "content": response}]
        tokens = tokenizer.apply_chat_template(turns, return_tensors="pt", return_dict=True)
        ids = tokens["input_ids"]
        rewards.append(model(input_ids=ids).logits[0, 0].item())
    return rewards


@pytest.mark.parametrize(
    ("family", "head", "pad"),
    [
        ("bert", "classifier", "<pad>"),
        ("llama", "score", "<pad>"),
        ("llama", "score", "<eos>"),  # the model then reads the token before the end of turn
        ("llama", "score", None),
        ("gpt2", "score", "<pad>"),
    ],
)
def test_rewards_equal_a_plain_forward_pass(tokenizer_folder, tmp_path, family, head, pad):
    folder = save_classifier(tokenizer_folder, tmp_path / "rm", family, pad)
    model = load_reward_model(folder, "float32")
    assert hasattr(model, head)
    assert reads_last_token(model) == (head == "score")
    found = score_rows(folder)
    assert found == pytest.approx(score_plainly(folder), abs=1e-4)
    assert len(set(found)) == ROWS.height


def test_a_head_of_another_name_computes_in_float32(tokenizer_folder, tmp_path):
    folder = save_classifier(tokenizer_folder, tmp_path / "rm", "bert")
    assert load_reward_model(folder, "bfloat16").dtype == torch.float32


def test_a_classifier_with_two_labels_is_refused(tokenizer_folder, tmp_path):
    folder = save_classifier(tokenizer_folder, tmp_path / "rm", "bert", num_labels=2)
    with pytest.raises(InputError, match="is not a reward model"):
        load_reward_model(folder, "float32")
