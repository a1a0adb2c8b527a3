"""The two engines below the harness, on one tiny model."""

from types import SimpleNamespace

import pytest

from training.benchmarks.language_models import open_language_model, require_room
from training.models.initial_model import make_tiny_model
from training.settings.benchmarks import AcademicSettings
from training.settings.model import TinyModelSettings
from training.settings.sampling import SamplingSettings
from transforms.errors import InputError

TEXT = "The capital of France is Paris. What is two plus two? The answer is four."


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "bytes"
    shape = TinyModelSettings(
        tokenizer="byte_bpe", vocab_size=300, hidden_size=64, layers=1, heads=2, context_tokens=128
    )
    make_tiny_model(shape, [[{"role": "user", "content": TEXT}]], folder, seed=0)
    return folder


def request(context, continuation):
    """A request of the harness, as far as a model looks at it."""
    return SimpleNamespace(args=(context, continuation))


def opened(model, engine, **changed):
    settings = AcademicSettings(
        benchmark="gsm8k", data={"test": {"files": ["unread"]}}, engine=engine, **changed
    )
    sampling = SamplingSettings(max_sequences=4)
    return open_language_model(model, settings, sampling, seed=0, dtype="float32")


CHOICES = [request(TEXT[:40], choice) for choice in (" A", " B", " Paris.", " four, I think.")]
LETTERS = [request(TEXT, letter) for letter in "ABC"]
PROMPTS = [
    request(prompt, {"until": ["\n"], "max_gen_toks": 8, "do_sample": False})
    for prompt in (TEXT[:30], TEXT[:50])
]


def answers(lm):
    likely = lm.loglikelihood([*CHOICES, *LETTERS], disable_tqdm=True)
    texts = lm.generate_until(PROMPTS, disable_tqdm=True)
    return likely, texts, lm.finish_reasons


def test_transformers_says_why_a_text_ended(model, no_network):
    with opened(model, "transformers") as lm:
        likely, texts, reasons = answers(lm)
    assert len(likely) == 7
    assert all(value < 0 for value, _ in likely)
    assert len(texts) == 2
    assert set(reasons) <= {"stop", "length"}


@pytest.mark.slow
def test_both_engines_answer_alike(model):
    with opened(model, "transformers") as lm:
        likely, texts, reasons = answers(lm)
    with opened(model, "vllm") as lm:
        same_likely, same_texts, same_reasons = answers(lm)
    for (value, greedy), (same, same_greedy) in zip(likely, same_likely, strict=True):
        assert value == pytest.approx(same, abs=1e-3)
        assert greedy == same_greedy
    # a text that is cut within a character ends in a mark for it, or does not
    assert [text.rstrip("\ufffd") for text in texts] == [
        text.rstrip("\ufffd") for text in same_texts
    ]
    assert reasons == same_reasons


def test_what_the_context_cannot_hold_is_refused_by_name(model):
    with opened(model, "transformers", max_context_tokens=64) as lm:
        require_room(lm, {"short": [request("a", " b")]})
        with pytest.raises(InputError, match="item long"):
            require_room(lm, {"short": [request("a", " b")], "long": [request(TEXT * 3, " b")]})
