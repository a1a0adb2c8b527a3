import shutil

import polars as pl
import pytest
from transformers import AutoModelForSequenceClassification

from training.models import rendering
from training.models.checkpoint import hash_checkpoint, require_model
from training.models.rendering import load_tokenizer
from training.reward_model import tokenize_pairs, train_reward_model
from training.settings.stages import RewardModelSettings
from transforms.errors import InputError
from transforms.identity import identify_messages
from transforms.lake.lake import Lake
from transforms.prompts.rows_by_split import read_reward_validation_pairs, read_training_pairs
from transforms.prompts.splits import hold_out_pairs
from transforms.settings.prompts import SplitSettings

SETTINGS = RewardModelSettings(
    learning_rate=1e-2,
    schedule="constant",
    max_steps=20,
    batch_size=8,
    micro_batch_size=4,
    max_tokens=32,
    logging_steps=10,
)
FEW_STEPS = {"max_steps": 2}


def run(pairs, policy, output, settings=SETTINGS, seed=0):
    return train_reward_model(pairs, policy, output, settings, seed=seed, dtype="float32")


def test_conversations_have_one_bos_and_one_end(tiny_policy, preference_pairs):
    tokenizer = load_tokenizer(tiny_policy)
    for row in tokenize_pairs(tokenizer, preference_pairs).iter_rows(named=True):
        for ids in (row["chosen_ids"], row["rejected_ids"]):
            assert ids[0] == tokenizer.bos_token_id
            assert ids.count(tokenizer.bos_token_id) == 1
            assert ids[-1] == tokenizer.eos_token_id
            assert ids.count(tokenizer.eos_token_id) == 1


def test_scoring_reads_the_tokens_that_were_trained_on(tiny_policy, preference_pairs, tmp_path):
    """One BOS on both sides: what the trained folder's tokenizer renders is the training row."""
    run(preference_pairs, tiny_policy, tmp_path / "rm", SETTINGS.model_copy(update=FEW_STEPS))
    trained = tokenize_pairs(load_tokenizer(tiny_policy), preference_pairs)
    tokenizer = rendering.load_tokenizer(tmp_path / "rm")
    for side in ("chosen", "rejected"):
        texts = [turns[0]["content"] for turns in preference_pairs[side]]
        scored = rendering.tokenize_conversations(tokenizer, preference_pairs["prompt"], texts)
        assert scored == trained[f"{side}_ids"].to_list()


def test_pad_equal_to_eos_is_refused(tiny_policy, preference_pairs, tmp_path):
    model = shutil.copytree(tiny_policy, tmp_path / "model")
    tokenizer = load_tokenizer(model)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(model)
    with pytest.raises(InputError, match="cannot pad"):
        run(preference_pairs, model, tmp_path / "rm")


def test_no_prompt_is_trained_on_and_validated_on(tmp_path):
    """Three pairs a prompt: a split by pair would tear them apart."""
    sides = {
        side: [[{"role": "assistant", "content": f"{side} {i}"}] for i in range(900)]
        for side in ("chosen", "rejected")
    }
    prompts = [[{"role": "user", "content": f"prompt {i // 3}"}] for i in range(900)]
    score = pl.lit(None, dtype=pl.Float64)
    pairs = pl.DataFrame({"prompt": prompts, **sides}).with_columns(
        prompt_id=identify_messages("prompt"),
        pair_id=identify_messages("chosen"),
        source=pl.lit("s"),
        row_key=pl.int_range(900).cast(pl.String),
        chosen_score=score,
        rejected_score=score,
        margin=score,
    )
    kept, _ = hold_out_pairs(pairs, SplitSettings(), 3)
    train = kept.filter(split="train").select(
        "source", "pair_id", mixture=pl.lit("all"), copies=pl.lit(1, pl.Int32)
    )
    lake = Lake(tmp_path)
    lake.overwrite("preference_pairs", kept)
    lake.overwrite("mixture_pairs", train)
    trained = pl.concat(read_training_pairs(lake, "all"))
    validated = read_reward_validation_pairs(lake)
    assert min(trained.height, validated.height) > 0
    assert trained.height + validated.height == kept.height
    assert trained.join(validated, on="prompt_id").is_empty()


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
    short = SETTINGS.model_copy(update=FEW_STEPS)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(preference_pairs, tiny_policy, tmp_path / name, short, seed)
    a, b, c = (hash_checkpoint(tmp_path / name) for name in "abc")
    assert a == b != c
    heads = [
        AutoModelForSequenceClassification.from_pretrained(tmp_path / name).score.weight
        for name in "ac"
    ]
    # two steps move a weight by 0.02 at most: the heads began elsewhere
    assert (heads[0] - heads[1]).abs().max() > 4 * SETTINGS.learning_rate


def test_a_reward_model_goes_on_with_its_head(tiny_policy, preference_pairs, tmp_path):
    """Two more epochs of what is learned already: a new head would begin at ln 2 = 0.693."""
    first = run(preference_pairs, tiny_policy, tmp_path / "rm")
    more = SETTINGS.model_copy(update={**FEW_STEPS, "logging_steps": 1})
    second = run(preference_pairs, tmp_path / "rm", tmp_path / "refreshed", more, seed=1)
    losses = [
        result.metrics.filter(metric="loss").sort("step")["value"] for result in (first, second)
    ]
    assert losses[1][0] < 0.1 < losses[0][0]


def test_a_pair_of_equal_tokens_is_dropped_by_name(tiny_policy, equal_sides, tmp_path):
    result = run(equal_sides, tiny_policy, tmp_path / "rm", SETTINGS.model_copy(update=FEW_STEPS))
    assert result.dropped.rows() == [
        ("pair-2", "equal_tokens", "the same 13 tokens for chosen and rejected")
    ]
    assert result.examples == 7
    with pytest.raises(InputError, match="the same 13 tokens"):
        run(equal_sides[2], tiny_policy, tmp_path / "none")


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
