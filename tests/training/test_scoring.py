"""A reward model of random weights: what matters is that batches, padding and order do not."""

import math
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from training import scoring
from training.models.batches import batch_by_length
from training.models.initial_model import make_tiny_model
from training.models.rendering import load_tokenizer, tokenize_conversations
from training.scoring import score, score_pairs, split_by_length
from training.settings.model import TinyModelSettings
from training.settings.scoring import ScoringSettings
from transforms.errors import InputError

TALK = "red blue green cat dog owl runs sleeps eats the a of and then"
WORDS = TALK.split()
TINY = TinyModelSettings(
    vocab_size=64, hidden_size=64, intermediate_size=128, layers=2, heads=2, context_tokens=64
)


@pytest.fixture(scope="module")
def reward_model(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("scoring") / "reward_model"
    make_tiny_model(TINY, [[{"role": "user", "content": TALK}]], folder, seed=0)
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def responses() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "prompt_id": [f"p{i // 4}" for i in range(24)],
            "response_index": pl.Series([i % 4 for i in range(24)], dtype=pl.Int32),
            "prompt": [
                [{"role": "user", "content": " ".join(WORDS[: 2 + i // 4])}] for i in range(24)
            ],
            "response": [" ".join(WORDS[i % 5 : i % 5 + 1 + i % 9]) for i in range(24)],
        }
    )


def rewards_of(responses, reward_model, **settings) -> pl.DataFrame:
    chunks: list[pl.DataFrame] = []
    chosen = ScoringSettings(**settings)
    score(responses, reward_model, chosen, dtype="float32", commit=chunks.append)
    return pl.concat(chunks)


def test_rewards_are_those_of_single_examples(reward_model, responses):
    tokenizer = load_tokenizer(reward_model)
    model = AutoModelForSequenceClassification.from_pretrained(reward_model)
    scored = rewards_of(responses, reward_model)
    rows = scored.join(responses, on=["prompt_id", "response_index"], maintain_order="left")
    assert scored.select("prompt_id", "response_index").equals(
        responses.select("prompt_id", "response_index")
    )
    for row in rows.iter_rows(named=True):
        (ids,) = tokenize_conversations(tokenizer, [row["prompt"]], [row["response"]])
        assert ids.count(tokenizer.bos_token_id) == 1
        assert ids[0] == tokenizer.bos_token_id
        with torch.inference_mode():
            alone = model(input_ids=torch.tensor([ids])).logits.item()
        assert row["reward"] == pytest.approx(alone, abs=1e-5)


def test_batches_chunks_and_order_change_no_reward(reward_model, responses):
    large = rewards_of(responses, reward_model, batch_tokens=8192)
    small = rewards_of(responses, reward_model, batch_tokens=64, chunk_rows=7)
    shuffled = responses.sample(fraction=1, shuffle=True, seed=2)
    again = rewards_of(shuffled, reward_model, batch_tokens=128)
    key = ["prompt_id", "response_index"]
    for other in (small, again):
        both = large.join(other, on=key, suffix="_other")
        assert both.height == 24
        assert (both["reward"] - both["reward_other"]).abs().max() < 1e-5


def test_the_head_is_float32_over_a_bfloat16_body(reward_model, responses):
    chunks: list[pl.DataFrame] = []
    score(responses, reward_model, ScoringSettings(), dtype="bfloat16", commit=chunks.append)
    rewards = torch.tensor(pl.concat(chunks)["reward"].to_list(), dtype=torch.float64)
    assert (rewards.bfloat16().double() != rewards).all()
    exact = rewards_of(responses, reward_model)["reward"].to_list()
    assert rewards.tolist() == pytest.approx(exact, abs=0.1)


def test_pairs_keep_their_sides(reward_model, responses):
    sides = [[{"role": "assistant", "content": text}] for text in responses["response"]]
    pairs = pl.DataFrame(
        {
            "pair_id": ["b", "a"],
            "prompt": responses["prompt"][:2],
            "chosen": sides[:2],
            "rejected": sides[2:4],
        }
    )
    scored = score_pairs(pairs, reward_model, ScoringSettings(), dtype="float32")
    single = rewards_of(responses, reward_model)["reward"]
    assert scored["pair_id"].to_list() == ["b", "a"]
    assert scored["chosen_reward"].to_list() == pytest.approx(single[:2].to_list(), abs=1e-5)
    same = responses.head(1).with_columns(response=pl.lit(responses["response"][2]))
    expected = rewards_of(same, reward_model)["reward"][0]
    assert scored["rejected_reward"][0] == pytest.approx(expected, abs=1e-5)


def test_a_conversation_longer_than_the_context_is_named(reward_model, responses):
    long = responses.tail(1).with_columns(response=pl.lit(" ".join(WORDS * 6)))
    with pytest.raises(InputError, match="prompt p5, response 3 is longer"):
        rewards_of(pl.concat([responses, long]), reward_model)


def test_a_reward_that_is_no_number_is_refused(reward_model, responses, tmp_path):
    for file in reward_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = AutoModelForSequenceClassification.from_pretrained(reward_model)
    model.score.weight.data.fill_(math.nan)
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="prompt p0, response 0 is not finite"):
        rewards_of(responses, tmp_path)


def test_a_causal_model_is_no_reward_model(responses, tmp_path):
    folder = tmp_path / "policy"
    make_tiny_model(TINY, [[{"role": "user", "content": TALK}]], folder, seed=0)
    with pytest.raises(InputError, match="is not a reward model"):
        rewards_of(responses, folder)


def test_pairs_too_long_to_read_are_named(reward_model):
    def turn(words: int) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": " ".join(["cat"] * words)}]

    pairs = pl.DataFrame(
        {
            "pair_id": ["short", "long"],
            "prompt": [[{"role": "user", "content": "red"}]] * 2,
            "chosen": [turn(3), turn(3)],
            "rejected": [turn(4), turn(30)],
        }
    )
    kept, dropped = split_by_length(pairs, reward_model, max_tokens=20)
    assert kept["pair_id"].to_list() == ["short"]
    assert dropped.select("row_key", "reason").rows() == [("long", "too_long")]
    assert kept.columns == pairs.columns


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_number_of_rows_in_a_batch_changes_no_reward(reward_model, size):
    responses = pl.DataFrame(
        {
            "prompt_id": [f"p{i}" for i in range(16)],
            "response_index": pl.Series([0] * 16, dtype=pl.Int32),
            "prompt": [[{"role": "user", "content": "red"}]] * 16,
            "response": [" ".join(WORDS[i % 7 :][:8] * 5 + WORDS[: i % 4]) for i in range(16)],
        }
    )
    token_ids = tokenize_conversations(
        load_tokenizer(reward_model), responses["prompt"].to_list(), responses["response"].to_list()
    )
    batch_tokens = max(64, size * max(map(len, token_ids)))
    assert len(next(batch_by_length(token_ids, batch_tokens))) == size
    one_by_one = rewards_of(responses, reward_model, batch_tokens=64)["reward"].to_list()
    found = rewards_of(responses, reward_model, batch_tokens=batch_tokens)["reward"].to_list()
    assert found == pytest.approx(one_by_one, abs=1e-5)


def test_frames_are_taken_when_the_chunks_before_them_are_committed(reward_model, responses):
    committed: list[int] = []
    committed_when_taken: list[int] = []

    def frames():
        for frame in responses.iter_slices(8):
            committed_when_taken.append(sum(committed))
            yield frame
        yield responses.clear()

    run = score(
        frames(),
        reward_model,
        ScoringSettings(chunk_rows=5),
        dtype="float32",
        commit=lambda chunk: committed.append(chunk.height),
    )
    assert committed_when_taken == [0, 8, 16]
    assert committed == [5, 3] * 3
    assert run.responses == 24


def test_a_response_without_text_is_named_and_costs_no_other(reward_model, responses):
    null = responses.with_columns(response=pl.when(pl.int_range(pl.len()) != 9).then("response"))
    chunks: list[pl.DataFrame] = []
    with pytest.raises(
        InputError, match="prompt p2, response 1 has no text; responses without a reward: 1 of 24"
    ):
        score(
            null, reward_model, ScoringSettings(chunk_rows=7), dtype="float32", commit=chunks.append
        )
    committed = pl.concat(chunks)
    assert committed.height == 23
    expected = rewards_of(responses, reward_model).filter(pl.int_range(pl.len()) != 9)
    assert committed["reward"].to_list() == pytest.approx(expected["reward"].to_list(), abs=1e-5)


def test_empty_responses_are_scored_counted_and_named(reward_model, responses, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(scoring.LOGGER, "warning", lambda text, *of: said.append(text % of))
    empty = responses.with_columns(
        response=pl.when(pl.int_range(pl.len()).is_in([9, 10]))
        .then(pl.lit(""))
        .otherwise("response")
    )
    chunks: list[pl.DataFrame] = []
    run = score(empty, reward_model, ScoringSettings(), dtype="float32", commit=chunks.append)
    assert run.empty_responses == 2
    assert said == ["empty responses: 2 of 24, the first prompt p2, response 1"]
    assert chunks[0]["reward"].is_finite().all()


def test_a_model_without_finite_rewards_stops_at_its_first_chunk(reward_model, responses, tmp_path):
    for file in reward_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    model = AutoModelForSequenceClassification.from_pretrained(reward_model)
    model.score.weight.data.fill_(math.inf)
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not finite; responses without a reward: 5 of 5"):
        rewards_of(responses, tmp_path, chunk_rows=5)


def test_one_reward_that_is_no_number_costs_no_other(reward_model, responses, tmp_path):
    for file in reward_model.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tokenizer = load_tokenizer(tmp_path)
    model = AutoModelForSequenceClassification.from_pretrained(reward_model)
    (owl,) = tokenizer("owl", add_special_tokens=False)["input_ids"]
    model.base_model.embed_tokens.weight.data[owl] = math.nan
    model.save_pretrained(tmp_path)
    with_owl = responses.with_columns(
        response=pl.when(pl.int_range(pl.len()) == 2).then(pl.lit("owl")).otherwise(pl.lit("red"))
    ).head(8)
    chunks: list[pl.DataFrame] = []
    with pytest.raises(
        InputError, match="prompt p0, response 2 is not finite; responses without a reward: 1 of 8"
    ):
        score(
            with_owl.with_columns(prompt=pl.Series([[{"role": "user", "content": "red"}]] * 8)),
            tmp_path,
            ScoringSettings(),
            dtype="float32",
            commit=chunks.append,
        )
    assert pl.concat(chunks).height == 7


def test_a_model_without_a_chat_template_is_refused(reward_model, responses, tmp_path):
    for file in reward_model.iterdir():
        if file.name != "chat_template.jinja":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="a chat template"):
        rewards_of(responses, tmp_path)


def test_threads_change_no_reward_and_keep_their_number(reward_model, responses):
    threads, rewards = torch.get_num_threads(), {}
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            rewards[number] = rewards_of(responses, reward_model, batch_tokens=64)["reward"]
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(torch.get_num_threads).result() == number
    finally:
        torch.set_num_threads(threads)
    assert rewards[1].to_list() == pytest.approx(rewards[3].to_list(), abs=1e-5)
