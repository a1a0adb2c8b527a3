import polars as pl
from transformers import AutoModelForSequenceClassification

from training.checkpoint import checkpoint_id, require_model
from training.reward_model import tokenise_conversations, train_reward_model
from training.settings import RewardModelSettings
from training.trainer import load_tokenizer

SETTINGS = RewardModelSettings(
    learning_rate=1e-2,
    schedule="constant",
    max_steps=20,
    batch_size=8,
    micro_batch_size=4,
    max_tokens=32,
    logging_steps=10,
)


def run(pairs, policy, output, settings=SETTINGS):
    return train_reward_model(pairs, policy, output, settings, seed=0, dtype="float32")


def test_conversations_have_one_bos_and_one_end(tiny_policy, preference_pairs):
    tokenizer = load_tokenizer(tiny_policy)
    for row in tokenise_conversations(tokenizer, preference_pairs).iter_rows(named=True):
        for ids in (row["chosen_ids"], row["rejected_ids"]):
            assert ids[0] == tokenizer.bos_token_id
            assert ids.count(tokenizer.bos_token_id) == 1
            assert ids[-1] == tokenizer.eos_token_id
            assert ids.count(tokenizer.eos_token_id) == 1


def test_eight_pairs_are_learned(tiny_policy, preference_pairs, tmp_path):
    result = run(preference_pairs, tiny_policy, tmp_path / "rm")
    last = result.metrics.filter(pl.col("step") == 20)
    value = dict(zip(last["metric"], last["value"], strict=True))
    assert value["accuracy"] == 1.0
    assert value["loss"] < 0.1
    assert {"grad_norm", "learning_rate", "margin"} <= set(value)
    require_model(tmp_path / "rm")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm")
    assert model.config.num_labels == 1
    assert model.config.pad_token_id == load_tokenizer(tiny_policy).pad_token_id
    assert model.config.pad_token_id != model.config.eos_token_id


def test_head_and_training_follow_the_seed(tiny_policy, preference_pairs, tmp_path):
    short = SETTINGS.model_copy(update={"max_steps": 2})
    for name in ("a", "b"):
        run(preference_pairs, tiny_policy, tmp_path / name, short)
    assert checkpoint_id(tmp_path / "a") == checkpoint_id(tmp_path / "b")


def test_long_pair_is_dropped_by_name(tiny_policy, preference_pairs, tmp_path):
    long = [{"role": "assistant", "content": "cat " * 40}]
    pairs = preference_pairs.with_columns(
        pl.when(pl.col("pair_id") == "pair-3")
        .then(pl.lit(pl.Series([long], dtype=preference_pairs.schema["rejected"])))
        .otherwise("rejected")
        .alias("rejected")
    )
    result = run(pairs, tiny_policy, tmp_path / "rm", SETTINGS.model_copy(update={"max_steps": 1}))
    assert result.dropped["row_key"].to_list() == ["pair-3"]
    assert result.examples == 7
