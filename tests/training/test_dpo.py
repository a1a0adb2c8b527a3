import math
import shutil

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from training.dpo import train_dpo
from training.models.checkpoint import hash_checkpoint
from training.models.rendering import load_tokenizer
from training.models.token_ids import tokenize_responses
from training.reference_logps import add_reference_logps
from training.settings.objectives import DPOSettings
from transforms.errors import InputError

SETTINGS = DPOSettings(
    learning_rate=1e-3,
    schedule="constant",
    warmup_ratio=0.0,
    max_steps=2,
    batch_size=8,
    micro_batch_size=8,
    max_tokens=32,
)


def run(pairs, start, reference, output, **changed):
    settings = SETTINGS.model_copy(update=changed)
    rows = add_reference_logps(pairs, start, reference, settings, dtype="float32").pairs
    return train_dpo(rows, start, output, settings, seed=0, dtype="float32")


def first(result, metric):
    rows = result.metrics.filter((pl.col("step") == 1) & (pl.col("metric") == metric))
    return rows["value"].item()


def test_prompt_and_responses_are_rendered_once(tiny_policy, preference_pairs):
    tokenizer = load_tokenizer(tiny_policy)
    row = tokenize_responses(tokenizer, preference_pairs).row(0, named=True)

    def words(text):
        return tokenizer(text)["input_ids"]

    assert row["prompt_ids"] == [
        tokenizer.bos_token_id,
        *words("<|user|>name a red cat<|assistant|>"),
    ]
    assert row["chosen_ids"] == [*words("the cat ."), tokenizer.eos_token_id]
    assert row["rejected_ids"] == [*words("is red the cat red"), tokenizer.eos_token_id]
    assert row["length"] == len(row["prompt_ids"]) + len(row["rejected_ids"])


def test_first_loss_is_log_2_where_start_is_the_reference(tiny_policy, preference_pairs, tmp_path):
    result = run(preference_pairs, tiny_policy, tiny_policy, tmp_path / "a")
    faster = run(preference_pairs, tiny_policy, tiny_policy, tmp_path / "b", learning_rate=1e-2)
    assert first(result, "loss") == pytest.approx(math.log(2), abs=1e-6)
    assert first(faster, "loss") == first(result, "loss")
    assert first(result, "grad_norm") > 0
    assert {"rewards/accuracies", "rewards/margins", "learning_rate"} <= set(
        result.metrics["metric"]
    )
    assert hash_checkpoint(tmp_path / "a") != hash_checkpoint(tmp_path / "b")
    losses = faster.metrics.filter(pl.col("metric") == "loss").sort("step")["value"]
    assert losses[1] < losses[0]


def test_first_loss_is_equation_7_for_another_reference(
    tiny_policy, other_policy, preference_pairs, tmp_path
):
    result = run(preference_pairs, tiny_policy, other_policy, tmp_path / "dpo", max_steps=1)
    rows = tokenize_responses(load_tokenizer(tiny_policy), preference_pairs).to_dicts()
    ratios = {
        side: torch.tensor(
            [logp(tiny_policy, row, side) - logp(other_policy, row, side) for row in rows]
        )
        for side in ("chosen", "rejected")
    }
    expected = -torch.nn.functional.logsigmoid(0.1 * (ratios["chosen"] - ratios["rejected"])).mean()
    assert first(result, "loss") == pytest.approx(expected.item(), abs=1e-4)
    assert abs(first(result, "loss") - math.log(2)) > 1e-3


def logp(folder, row, side):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    prompt, response = row["prompt_ids"], row[f"{side}_ids"]
    ids = torch.tensor([prompt + response])
    with torch.no_grad():
        logps = model(ids).logits[0, :-1].log_softmax(-1)
    return logps.gather(1, ids[0, 1:, None])[len(prompt) - 1 :].sum().item()


def test_same_seed_same_checkpoint(tiny_policy, other_policy, preference_pairs, tmp_path):
    for name in ("a", "b"):
        run(preference_pairs, tiny_policy, other_policy, tmp_path / name)
    assert hash_checkpoint(tmp_path / "a") == hash_checkpoint(tmp_path / "b")


def test_a_pair_of_equal_tokens_is_dropped_by_name(tiny_policy, equal_sides, tmp_path):
    result = run(equal_sides, tiny_policy, tiny_policy, tmp_path / "dpo", max_steps=1)
    assert result.dropped.select("row_key", "reason").rows() == [("prompt-2", "equal_tokens")]
    assert result.examples == 7


def test_long_pair_is_dropped_by_name(tiny_policy, preference_pairs, tmp_path):
    lengths = tokenize_responses(load_tokenizer(tiny_policy), preference_pairs)["length"]
    assert lengths.unique().to_list() == [13]
    result = run(
        pl.concat([preference_pairs.head(2), lengthened(preference_pairs)]),
        tiny_policy,
        tiny_policy,
        tmp_path / "dpo",
        max_tokens=13,
        max_steps=1,
    )
    assert result.dropped["row_key"].to_list() == ["prompt-7"]
    assert result.examples == 2


def lengthened(pairs):
    return pairs.tail(1).with_columns(
        pl.col("chosen").list.eval(
            pl.struct(pl.element().struct.field("role"), pl.lit("cat " * 20).alias("content"))
        )
    )


def test_template_that_rewrites_earlier_turns_is_refused(tiny_policy, preference_pairs, tmp_path):
    model = shutil.copytree(tiny_policy, tmp_path / "model")
    template = model / "chat_template.jinja"
    template.write_text(
        template.read_text().replace("'<|assistant|>' -}}{%- endif", "'<|system|>' -}}{%- endif")
    )
    with pytest.raises(InputError, match="in two ways"):
        run(preference_pairs, model, model, tmp_path / "dpo")


def test_reference_without_template_is_refused(tiny_policy, preference_pairs, tmp_path):
    reference = shutil.copytree(tiny_policy, tmp_path / "reference")
    (reference / "chat_template.jinja").unlink()
    with pytest.raises(InputError, match="chat template"):
        run(preference_pairs, tiny_policy, reference, tmp_path / "dpo")
