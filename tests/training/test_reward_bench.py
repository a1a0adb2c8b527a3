"""Bench sets through the real scorer: neither the batch size nor the padding changes a score."""

import os
from pathlib import Path

import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from training.models.batches import batch_by_length
from training.models.initial_model import make_tiny_model
from training.models.rendering import load_tokenizer, tokenize_conversations
from training.scoring import score_pairs, split_by_length
from training.settings.model import TinyModelSettings
from training.settings.scoring import ScoringSettings
from transforms.benchmarks.reward_bench.pairs import read_bench_set
from transforms.benchmarks.reward_bench.results import compare_pairs, measure_bench_set
from transforms.public_sets.registry import LABELLED_PAIRS
from transforms.settings.sources import OriginSettings

REAL = Path(
    os.environ.get("PREFLOOP_TEST_DATA", Path(__file__).resolve().parents[3] / "shared" / "data")
)
TALK = "red blue green cat dog owl runs sleeps eats the a of and then"
WORDS = TALK.split()
LABELS = {"bench": "b", "model": "m", "model_id": "i", "kind": "reward_model", "mixture": "all"}


def make_reward_model(folder: Path, texts: list[str], **settings: int | str) -> Path:
    """A reward model of random weights, its tokenizer trained on the texts."""
    shape = TinyModelSettings(hidden_size=64, layers=2, heads=2, **settings)
    make_tiny_model(shape, [[{"role": "user", "content": text}] for text in texts], folder, seed=0)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reward_bench") / "small"
    return make_reward_model(folder, [TALK], vocab_size=64, context_tokens=64)


@pytest.fixture(scope="module")
def pairs(small: Path) -> pl.DataFrame:
    """24 pairs of two subsets whose conversations have 57 to 64 tokens, all lengths among them.

    So a forward pass of 64 k padded tokens holds exactly k of them, for k of 1 to 8.
    """
    tokenizer = load_tokenizer(small)
    prompt = [{"role": "user", "content": "name a red cat"}]

    def response(number: int, tokens: int) -> str:
        text = ""
        for word in (WORDS[(number + i) % len(WORDS)] for i in range(64)):
            longer = f"{text} {word}".strip()
            (ids,) = tokenize_conversations(tokenizer, [prompt], [longer])
            if len(ids) > tokens:
                return text
            text = longer
        raise AssertionError("too few words")

    def side(number: int, tokens: int) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": response(number, tokens)}]

    return pl.DataFrame(
        {
            "pair_id": [str(number) for number in range(24)],
            "subset": ["s", "t"] * 12,
            "prompt": [prompt] * 24,
            "chosen": [side(number, 64 - number % 5) for number in range(24)],
            "rejected": [side(number + 7, 61 + number % 3) for number in range(24)],
        }
    )


def test_the_score_is_the_same_in_batches_of_1_2_3_and_8(small: Path, pairs: pl.DataFrame) -> None:
    tokenizer = load_tokenizer(small)
    ids = [
        conversation
        for side in ("chosen", "rejected")
        for conversation in tokenize_conversations(
            tokenizer, pairs["prompt"].to_list(), [turns[0]["content"] for turns in pairs[side]]
        )
    ]
    assert len(set(map(len, ids))) > 3  # rows of a batch are padded
    results, rewards = {}, {}
    for size in (1, 2, 3, 8):
        assert {len(batch) for batch in batch_by_length(ids, 64 * size)} == {size}
        settings = ScoringSettings(batch_tokens=64 * size)
        rewards[size] = score_pairs(pairs, small, settings, dtype="float32")
        results[size] = measure_bench_set(
            pairs, rewards[size], {"both": ["s", "t"]}, {"w": {"s": 1, "t": 2}}, **LABELS
        )
    assert 0 < results[1]["value"][0] < 100
    for size in (2, 3, 8):
        assert results[size].equals(results[1])
        for side in ("chosen_reward", "rejected_reward"):
            assert (rewards[size][side] - rewards[1][side]).abs().max() < 1e-5


def test_a_pair_too_long_to_be_read_is_counted_and_in_no_figure(
    small: Path, pairs: pl.DataFrame
) -> None:
    read, too_long = split_by_length(pairs, small, max_tokens=62)
    assert 0 < too_long.height < pairs.height
    rewards = score_pairs(read, small, ScoringSettings(), dtype="float32")
    found = measure_bench_set(pairs, rewards, {"both": ["s", "t"]}, {"pairs": {}}, **LABELS)
    whole = found.row(0, named=True)
    assert (whole["pairs"], whole["unscored_pairs"]) == (read.height, too_long.height)
    alone = measure_bench_set(read, rewards, {"both": ["s", "t"]}, {"pairs": {}}, **LABELS)
    keys = ["level", "name", "metric"]
    assert found.select(*keys, "value").sort(keys).equals(alone.select(*keys, "value").sort(keys))


def test_llmbar_from_the_published_files(tmp_path: Path) -> None:
    files = [
        REAL / "labelled_pairs" / f"llmbar_{name}.json"
        for name in ("Natural", "Adversarial_Neighbor")
    ]
    if not all(file.is_file() for file in files):
        pytest.skip("PREFLOOP_TEST_DATA has no LLMBar")
    pairs = read_bench_set("llmbar", OriginSettings(files=tuple(map(str, files))))
    texts = [
        turns[0]["content"] for side in ("prompt", "chosen", "rejected") for turns in pairs[side]
    ]
    # bytes: no two texts of a pair are the same tokens
    model = make_reward_model(
        tmp_path / "model", texts, tokenizer="byte_bpe", vocab_size=2048, context_tokens=2048
    )
    rewards = [
        score_pairs(pairs, model, ScoringSettings(batch_tokens=tokens), dtype="float32")
        for tokens in (2048, 16_384)
    ]
    entry = LABELLED_PAIRS["llmbar"]
    once, again = (
        measure_bench_set(pairs, each, entry.sections, entry.weights, **LABELS) for each in rewards
    )
    assert once.equals(again)
    subsets = once.filter(level="subset", metric="pair_accuracy")
    assert subsets.select("name", "pairs").rows() == [
        ("llmbar-natural", 100),
        ("llmbar-adver-neighbor", 134),
    ]
    # by hand: shares of pairs with the higher reward on the chosen side
    sides = zip(rewards[0]["chosen_reward"], rewards[0]["rejected_reward"], strict=True)
    right = [chosen > rejected for chosen, rejected in sides]
    assert subsets["value"].to_list() == pytest.approx([sum(right[:100]), sum(right[100:]) / 1.34])
    # weights of random numbers know nothing of the labels: within five standard errors of one half
    for value, error in subsets.select("value", "standard_error").rows():
        assert abs(value - 50) < 5 * error
    assert compare_pairs(pairs, rewards[0])["pair_accuracy"].null_count() == 0
