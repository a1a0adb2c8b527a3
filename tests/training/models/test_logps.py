"""Summed log-probabilities against a direct computation, one example at a time."""

import polars as pl
import pytest
import torch
from transformers import AutoModelForCausalLM

from training.engine.sequence_logps import compute_response_logps
from training.models.initial_model import make_tiny_model
from training.models.logps import store_linear_weights_in_bfloat16, sum_logps
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
    assert logps.dtype == pl.Float64
    assert logps.to_list() == pytest.approx(direct(model, responses), abs=1e-4)
    assert logps.max() <= 0


def test_padding_changes_nothing(model, responses):
    together = compute_response_logps(responses, model, batch_tokens=8192, dtype="float32")
    apart = compute_response_logps(responses, model, batch_tokens=1, dtype="float32")
    assert together.to_list() == pytest.approx(apart.to_list(), abs=1e-4)


def test_a_cut_response_has_no_end_of_turn(model, responses):
    one = responses.head(3).tail(1)
    both = pl.concat([one, one.with_columns(finish_reason=pl.lit("length"))])
    stopped, cut = compute_response_logps(both, model, batch_tokens=8192, dtype="float32")
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
