import json
import shutil
import subprocess
import sys
from functools import partial

import polars as pl
import pytest
import torch
from trl import SFTConfig, SFTTrainer

from training.models.checkpoint import hash_checkpoint, require_model
from training.models.comparison_prompts import (
    find_label_tokens,
    is_chosen_first,
    tokenize_comparisons,
)
from training.models.preference_forward import load_preference_model
from training.models.rendering import load_tokenizer
from training.preference_model import (
    label_comparisons,
    load_extended_tokenizer,
    load_maker,
    load_with_words,
    train_preference_model,
)
from training.ranking import rank_pairs
from training.runs.examples import open_examples
from training.runs.run_record import read_run
from training.runs.trainer import build_trl_arguments
from training.settings.scoring import RankingSettings
from training.settings.stages import PreferenceModelSettings
from training.sft import IGNORED
from transforms.errors import InputError

SETTINGS = PreferenceModelSettings(
    learning_rate=1e-2,
    schedule="constant",
    max_steps=30,
    batch_size=8,
    micro_batch_size=4,
    max_tokens=64,
    packing=False,
    logging_steps=10,
)


def run(pairs, policy, output, settings=SETTINGS, seed=0):
    return train_preference_model(pairs, policy, output, settings, seed=seed, dtype="float32")


def examples_of(policy, pairs, *, both_orders=False):
    tokenizer = load_extended_tokenizer(policy)
    return tokenizer, label_comparisons(tokenizer, pairs, both_orders=both_orders)


def test_the_label_is_the_last_token_and_names_the_place_of_the_chosen(
    tiny_policy, preference_pairs
):
    tokenizer, examples = examples_of(tiny_policy, preference_pairs)
    a, b = find_label_tokens(tokenizer)
    seen = set()
    rows = examples.join(preference_pairs, on="pair_id").iter_rows(named=True)
    for row in rows:
        label = row["input_ids"][-1]
        assert row["labels"] == [IGNORED] * (row["length"] - 1) + [label]
        assert label == (a if is_chosen_first(row["pair_id"]) else b)
        text = tokenizer.decode(row["input_ids"])
        at_a = text.split("[RESPONSE A]")[1].split("[RESPONSE B]")[0].strip()
        assert (at_a == row["chosen"][0]["content"]) == (label == a)
        seen.add(label)
    assert seen == {a, b}


def test_both_orders_show_every_pair_twice_with_the_other_label(tiny_policy, preference_pairs):
    tokenizer, drawn = examples_of(tiny_policy, preference_pairs)
    _, both = examples_of(tiny_policy, preference_pairs, both_orders=True)
    assert both.head(drawn.height).equals(drawn)
    turned = both.tail(drawn.height)
    assert turned["pair_id"].equals(drawn["pair_id"])
    labels = set(find_label_tokens(tokenizer))
    for one, other in zip(drawn["input_ids"], turned["input_ids"], strict=True):
        assert {one[-1], other[-1]} == labels
        assert one[:-1].to_list() != other[:-1].to_list()
        assert sorted(one[:-1]) == sorted(other[:-1])  # the same words, elsewhere


def test_comparing_reads_the_tokens_that_were_trained_on(tiny_policy, preference_pairs, tmp_path):
    """One BOS on both sides: what the trained folder's tokenizer renders is the training row."""
    short = SETTINGS.model_copy(update={"max_steps": 1})
    run(preference_pairs, tiny_policy, tmp_path / "pm", short)
    trained, examples = examples_of(tiny_policy, preference_pairs)
    served = load_preference_model(tmp_path / "pm", "float32").tokenizer
    rows = examples.join(preference_pairs, on="pair_id", maintain_order="left")
    for row in rows.iter_rows(named=True):
        sides = [row[side][0]["content"] for side in ("chosen", "rejected")]
        ordered = sides if is_chosen_first(row["pair_id"]) else sides[::-1]
        (ids,) = tokenize_comparisons(served, [(row["prompt"], *ordered)])
        assert ids == row["input_ids"][:-1]
        assert ids.count(served.bos_token_id) == 1
        assert ids[0] == served.bos_token_id
    assert find_label_tokens(served) == find_label_tokens(trained)
    assert served.pad_token_id != served.eos_token_id


def test_pad_equal_to_eos_is_refused(tiny_policy, preference_pairs, tmp_path):
    model = shutil.copytree(tiny_policy, tmp_path / "model")
    tokenizer = load_tokenizer(model)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(model)
    with pytest.raises(InputError, match="cannot pad"):
        run(preference_pairs, model, tmp_path / "pm")


def batches_of(policy, pairs, folder, **settings):
    """What the trainer feeds the model, and the model."""
    tokenizer = load_extended_tokenizer(policy)
    chosen = SETTINGS.model_copy(update=settings)
    arguments = build_trl_arguments(chosen, folder, seed=0, dtype="float32")
    if chosen.packing:
        arguments |= {"packing": True, "max_length": chosen.max_tokens}
    with open_examples(pairs, folder / "pm", partial(load_maker, policy, SETTINGS)) as examples:
        trainer = SFTTrainer(
            model=load_with_words(policy, len(tokenizer), seed=0),
            args=SFTConfig(**arguments),
            train_dataset=examples.dataset,
            processing_class=tokenizer,
        )
        return trainer.model.eval(), list(trainer.get_train_dataloader())


def losses_of(model, batches):
    """The loss of every label, by the tokens of its example."""
    losses = {}
    for batch in batches:
        labels = batch.pop("labels")
        with torch.inference_mode():
            logits = model(**batch, use_cache=False).logits
        for row, place in (labels != IGNORED).nonzero().tolist():
            position = batch["position_ids"][row, place] if "position_ids" in batch else place
            start = place - int(position)
            example = tuple(batch["input_ids"][row, start : place + 1].tolist())
            losses[example] = torch.nn.functional.cross_entropy(
                logits[row, place - 1], labels[row, place]
            ).item()
    return losses


@pytest.mark.parametrize("packing", [False, True])
def test_the_loss_counts_one_token_an_example(tiny_policy, preference_pairs, tmp_path, packing):
    _, batches = batches_of(tiny_policy, preference_pairs, tmp_path, packing=packing)
    counted = sum(int((batch["labels"] != IGNORED).sum()) for batch in batches)
    assert counted == preference_pairs.height
    sequences = sum(batch["input_ids"].shape[0] for batch in batches)
    assert sequences == (len(batches) if packing else preference_pairs.height)


def test_packed_examples_have_the_loss_that_they_have_alone(
    tiny_policy, preference_pairs, tmp_path
):
    alone = losses_of(*batches_of(tiny_policy, preference_pairs, tmp_path / "a"))
    model, batches = batches_of(tiny_policy, preference_pairs, tmp_path / "b", packing=True)
    assert any((batch["labels"] != IGNORED).sum() > 1 for batch in batches)
    packed = losses_of(model, batches)
    assert packed.keys() == alone.keys()
    for example, loss in alone.items():
        assert packed[example] == pytest.approx(loss, abs=1e-5)


def test_positions_are_what_keeps_packed_examples_apart(tiny_policy, preference_pairs, tmp_path):
    model, (batch, *_) = batches_of(tiny_policy, preference_pairs, tmp_path, packing=True)
    labelled = batch["labels"][0].ne(IGNORED).nonzero()[1:, 0] - 1  # the first sees no other
    inputs = {"input_ids": batch["input_ids"], "use_cache": False}
    with torch.inference_mode():
        apart = model(**inputs, position_ids=batch["position_ids"]).logits[0, labelled]
        joined = model(**inputs).logits[0, labelled]
    assert (apart - joined).abs().amax(dim=1).min() > 1e-3


@pytest.mark.parametrize("packing", [False, True])
def test_eight_pairs_are_learned(tiny_policy, preference_pairs, tmp_path, packing):
    settings = SETTINGS.model_copy(update={"packing": packing, "batch_size": 4})
    result = run(preference_pairs, tiny_policy, tmp_path / "pm", settings)
    last = result.metrics.filter(pl.col("step") == 30)
    value = dict(zip(last["metric"], last["value"], strict=True))
    assert value["loss"] < 0.2
    assert {"grad_norm", "learning_rate", "mean_token_accuracy"} <= set(value)
    require_model(tmp_path / "pm")
    assert read_run(tmp_path / "pm").metrics.equals(result.metrics)
    compared = rank_pairs(preference_pairs, tmp_path / "pm", RankingSettings(), dtype="float32")
    assert compared["pair_id"].to_list() == preference_pairs["pair_id"].to_list()
    assert (compared["chosen_reward"] > 0.5).all()


def test_training_follows_the_seed(tiny_policy, preference_pairs, tmp_path):
    short = SETTINGS.model_copy(update={"max_steps": 2})
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(preference_pairs, tiny_policy, tmp_path / name, short, seed)
    a, b, c = (hash_checkpoint(tmp_path / name) for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("both_orders", [False, True])
def test_a_pair_of_equal_tokens_is_dropped_by_name(tiny_policy, equal_sides, tmp_path, both_orders):
    settings = SETTINGS.model_copy(update={"max_steps": 1, "both_orders": both_orders})
    result = run(equal_sides, tiny_policy, tmp_path / "pm", settings)
    assert result.dropped.select("row_key", "reason").rows() == [("pair-2", "equal_tokens")]
    assert result.examples == (14 if both_orders else 7)


@pytest.mark.parametrize("both_orders", [False, True])
def test_long_pair_is_dropped_by_name(tiny_policy, preference_pairs, tmp_path, both_orders):
    long = [{"role": "assistant", "content": "cat " * 60}]
    pairs = preference_pairs.with_columns(
        pl.when(pl.col("pair_id") == "pair-3")
        .then(pl.lit(pl.Series([long], dtype=preference_pairs.schema["rejected"])))
        .otherwise("rejected")
        .alias("rejected")
    )
    settings = SETTINGS.model_copy(update={"max_steps": 1, "both_orders": both_orders})
    result = run(pairs, tiny_policy, tmp_path / "pm", settings)
    assert result.dropped["row_key"].to_list() == ["pair-3"]
    assert result.examples == (14 if both_orders else 7)


@pytest.mark.slow
def test_command_line(tiny_policy, preference_pairs, tmp_path):
    preference_pairs.write_parquet(tmp_path / "pairs.parquet")
    short = SETTINGS.model_copy(update={"max_steps": 1})
    (tmp_path / "settings.json").write_text(short.model_dump_json())
    options = {
        "--pairs": tmp_path / "pairs.parquet",
        "--policy": tiny_policy,
        "--output": tmp_path / "pm",
        "--settings": tmp_path / "settings.json",
        "--dtype": "float32",
    }
    words = [str(word) for option in options.items() for word in option]
    done = subprocess.run(
        [sys.executable, "-m", "training.preference_model", *words],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout.splitlines()[0])["total_steps"] == 1
    require_model(tmp_path / "pm")
