"""Summed log-probabilities and KLs against a direct computation, one example at a time."""

import math
from itertools import product
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from training.engine.sequence_logps import compute_response_logps
from training.models.initial_model import make_tiny_model
from training.models.logps import (
    compare_policies,
    store_linear_weights_in_bfloat16,
    sum_logps,
)
from training.models.rendering import load_tokenizer, tokenize_conversations, tokenize_prompts
from training.settings.model import TinyModelSettings
from transforms.errors import InputError

TALK = "red blue green cat dog owl runs sleeps eats the a of and then"
WORDS = TALK.split()
TINY = TinyModelSettings(
    vocab_size=64, hidden_size=64, intermediate_size=128, layers=2, heads=2, context_tokens=64
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("logps") / "model"
    make_tiny_model(TINY, [[{"role": "user", "content": TALK}]], folder, seed=0)
    return folder


@pytest.fixture(scope="module")
def moved(model, tmp_path_factory: pytest.TempPathFactory):
    """The model, with a little noise on every weight."""
    folder = tmp_path_factory.mktemp("logps") / "moved"
    policy, generator = AutoModelForCausalLM.from_pretrained(model), torch.Generator()
    with torch.no_grad():
        for weight in policy.parameters():
            weight += 0.02 * torch.randn(weight.shape, generator=generator.manual_seed(0))
    policy.save_pretrained(folder)
    load_tokenizer(model).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def responses() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt": [[{"role": "user", "content": " ".join(WORDS[: 1 + i])}] for i in range(12)],
            "response": [" ".join(WORDS[i % 3 : i % 3 + (5 * i) % 11]) for i in range(12)],
            "finish_reason": ["length" if i % 3 == 1 else "stop" for i in range(12)],
        }
    )


def direct(model, responses) -> list[float]:
    """Sum one response's tokens in a plain loop over the template's own rendering."""
    tokenizer, policy = load_tokenizer(model), AutoModelForCausalLM.from_pretrained(model)
    sums = []
    for row in responses.iter_rows(named=True):
        (whole,) = tokenize_conversations(tokenizer, [row["prompt"]], [row["response"]])
        (prompt,) = tokenize_prompts(tokenizer, [row["prompt"]])
        assert whole[: len(prompt)] == prompt
        assert whole[-1] == tokenizer.eos_token_id
        end = len(whole) - (row["finish_reason"] == "length")
        with torch.inference_mode():
            logps = policy(torch.tensor([whole])).logits[0].log_softmax(-1)
        sums.append(sum(logps[t - 1, whole[t]].item() for t in range(len(prompt), end)))
    return sums


def test_sums_are_those_of_single_examples(model, responses):
    logps = compute_response_logps(responses, model, batch_tokens=8192, dtype="float32")
    assert logps.schema == {"logp": pl.Float64}
    assert logps["logp"].to_list() == pytest.approx(direct(model, responses), abs=1e-4)
    assert logps["logp"].max() <= 0


def test_padding_changes_nothing(model, responses):
    together = compute_response_logps(responses, model, batch_tokens=8192, dtype="float32")
    apart = compute_response_logps(responses, model, batch_tokens=1, dtype="float32")
    assert together["logp"].to_list() == pytest.approx(apart["logp"].to_list(), abs=1e-4)


def test_a_cut_response_has_no_end_of_turn(model, responses):
    one = responses.head(3).tail(1)
    both = pl.concat([one, one.with_columns(finish_reason=pl.lit("length"))])
    stopped, cut = compute_response_logps(both, model, batch_tokens=8192, dtype="float32")["logp"]
    assert stopped < cut


def test_a_row_longer_than_the_context_is_named(model, responses):
    long = responses.tail(1).with_columns(response=pl.lit(" ".join(WORDS * 6)))
    with pytest.raises(InputError, match="context: prompt of row 12"):
        compute_response_logps(
            pl.concat([responses, long]), model, batch_tokens=64, dtype="float32"
        )


def test_a_reference_in_half_the_memory_has_the_same_log_probabilities(model):
    """Autocast over float32 weights, and over linear weights that are bfloat16 already: equal."""
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randint(5, 20, (12,), generator=generator).tolist() for _ in range(6)]
    whole, half = (AutoModelForCausalLM.from_pretrained(model) for _ in range(2))
    store_linear_weights_in_bfloat16(half)
    with torch.autocast("cpu", torch.bfloat16):
        found = [list(sum_logps(one, rows, [3] * 6, 64)) for one in (whole, half)]
    assert found[0] == found[1]
    dtypes = {name: weight.dtype for name, weight in half.named_parameters()}
    narrow = {name for name, dtype in dtypes.items() if dtype == torch.bfloat16}
    assert narrow == {name for name in dtypes if "proj" in name or "lm_head" in name}
    exact = list(sum_logps(whole, rows, [3] * 6, 64))
    assert found[0] != exact


def test_a_head_that_is_the_embeddings_stays_float32(model):
    tied = AutoModelForCausalLM.from_pretrained(model)
    tied.lm_head.weight = tied.model.embed_tokens.weight
    store_linear_weights_in_bfloat16(tied)
    assert tied.model.embed_tokens.weight.dtype == torch.float32
    assert tied.model.layers[0].mlp.up_proj.weight.dtype == torch.bfloat16


class Bigrams:
    """A language model whose next token depends on the last one alone."""

    config = SimpleNamespace(_attn_implementation="none")
    device = torch.device("cpu")

    def __init__(self, *probabilities):
        self.probabilities = probabilities

    def __call__(self, input_ids, **_):
        return SimpleNamespace(logits=torch.tensor(self.probabilities).log()[input_ids])


PI = Bigrams((0.5, 0.25, 0.25), (0.2, 0.4, 0.4), (0.9, 0.05, 0.05))
PI_0 = Bigrams((0.25, 0.5, 0.25), (0.4, 0.2, 0.4), (0.1, 0.45, 0.45))


def test_the_kl_of_a_response_is_the_sum_of_its_tokens_over_the_whole_vocabulary():
    [(row, found)] = compare_policies(PI, PI_0, [[0, 1, 2]], [1], 64)
    after_0 = 0.5 * math.log(2) + 0.25 * math.log(1 / 2)
    after_1 = 0.2 * math.log(1 / 2) + 0.4 * math.log(2)
    assert (row, found.kl) == (0, pytest.approx(after_0 + after_1))
    assert found.logp == pytest.approx(math.log(0.25 * 0.4))
    assert found.reference_logp == pytest.approx(math.log(0.5 * 0.4))


def test_its_mean_over_samples_is_the_kl_of_whole_responses():
    rows = [[0, *response] for response in product(range(3), repeat=3)]
    found = [sums for _, sums in sorted(compare_policies(PI, PI_0, rows, [1] * len(rows), 8))]
    exact = sum(math.exp(one.logp) * (one.logp - one.reference_logp) for one in found)
    assert sum(math.exp(one.logp) * one.kl for one in found) == pytest.approx(exact)
    # an estimate from single tokens is negative for many responses
    assert min(one.kl for one in found) > 0 > min(one.logp - one.reference_logp for one in found)


def test_kls_are_those_of_single_examples(model, moved, responses):
    found = compute_response_logps(
        responses, moved, batch_tokens=40, dtype="float32", reference=model
    )
    assert found["logp"].to_list() == pytest.approx(direct(moved, responses), abs=1e-4)
    assert found["reference_logp"].to_list() == pytest.approx(direct(model, responses), abs=1e-4)
    tokenizer = load_tokenizer(model)
    policies = [AutoModelForCausalLM.from_pretrained(one) for one in (moved, model)]
    row = responses.row(3, named=True)
    (whole,) = tokenize_conversations(tokenizer, [row["prompt"]], [row["response"]])
    (prompt,) = tokenize_prompts(tokenizer, [row["prompt"]])
    with torch.inference_mode():
        p, q = (one(torch.tensor([whole])).logits[0].softmax(-1) for one in policies)
    exact = (p * (p / q).log()).sum(-1)[len(prompt) - 1 : len(whole) - 1].sum().item()
    assert found["kl"][3] == pytest.approx(exact, rel=1e-3)
    assert exact > 0.1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_has_no_kl_to_itself(dtype, model, responses):
    found = compute_response_logps(responses, model, batch_tokens=64, dtype=dtype, reference=model)
    assert set(found["kl"]) == {0.0}
    assert found["logp"].equals(found["reference_logp"].alias("logp"))
