"""Ranking with a small trained preference model, and with a comparison that is written down."""

import polars as pl
import pytest

from training.engine.comparison_rounds import rank_by
from training.models.preference_forward import (
    Preferences,
    compare_responses,
    load_preference_model,
)
from training.preference_model import train_preference_model
from training.ranking import rank, rank_pairs
from training.settings.scoring import RankingSettings
from training.settings.stages import PreferenceModelSettings
from transforms.errors import InputError
from transforms.lake.schemas.table import MESSAGES

TRAINING = PreferenceModelSettings(
    learning_rate=1e-2, max_steps=5, batch_size=8, micro_batch_size=8, max_tokens=64, packing=False
)
TEXTS = ["the cat .", "the dog is red", "red", "the cat is a cat .", "dog dog"]


@pytest.fixture(scope="module")
def preference_folder(tmp_path_factory, tiny_policy, preference_pairs):
    folder = tmp_path_factory.mktemp("ranking") / "preference_model"
    train_preference_model(preference_pairs, tiny_policy, folder, TRAINING, seed=0, dtype="float32")
    return folder


@pytest.fixture(scope="module")
def responses() -> pl.DataFrame:
    """Five responses to each of three prompts; their rows are mixed."""
    rows = [
        (f"p{p}", index, [{"role": "user", "content": "name a red cat"}], TEXTS[(index + p) % 5])
        for p in range(3)
        for index in range(5)
    ]
    schema = {"prompt_id": pl.String, "response_index": pl.Int32}
    schema |= {"prompt": MESSAGES, "response": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row").sample(fraction=1, shuffle=True, seed=1)


def ranked(responses, folder, **settings):
    chunks: list[pl.DataFrame] = []
    chosen = RankingSettings(**settings)
    run = rank(responses, folder, chosen, dtype="float32", commit=chunks.append)
    return chunks, run


def test_round_robin_is_the_mean_over_the_others(preference_folder, responses):
    chunks, run = ranked(responses, preference_folder, chunk_prompts=2)
    assert [chunk["prompt_id"].n_unique() for chunk in chunks] == [2, 1]
    rewards = pl.concat(chunks)
    assert rewards.schema == {
        "prompt_id": pl.String,
        "response_index": pl.Int32,
        "reward": pl.Float64,
    }
    keys = ["prompt_id", "response_index"]
    assert rewards.select(keys).sort(keys).equals(responses.select(keys).sort(keys))
    assert (run.responses, run.comparisons) == (15, 30)
    assert run.tokens > 2 * run.comparisons
    model = load_preference_model(preference_folder, "float32")
    joined = rewards.join(responses, on=keys)
    for row in joined.iter_rows(named=True):
        others = joined.filter(
            pl.col("prompt_id") == row["prompt_id"],
            pl.col("response_index") != row["response_index"],
        )
        comparisons = [(row["prompt"], row["response"], text) for text in others["response"]]
        found = compare_responses(model, comparisons, ["p"] * 4, batch_tokens=8192)
        assert row["reward"] == pytest.approx(sum(found.probabilities) / 4, abs=1e-6)


@pytest.mark.parametrize("method", ["round_robin", "tournament"])
def test_order_chunks_and_batches_change_no_reward(preference_folder, responses, method):
    keys = ["prompt_id", "response_index"]
    whole = pl.concat(ranked(responses, preference_folder, method=method)[0]).sort(keys)
    small, run = ranked(
        responses.reverse(), preference_folder, method=method, chunk_prompts=1, batch_tokens=64
    )
    assert len(small) == 3
    again = pl.concat(small).sort(keys)
    assert again["reward"].to_list() == pytest.approx(whole["reward"].to_list(), abs=1e-6)
    if method == "tournament":
        assert run.comparisons < 2 * responses.height


def by_length(comparisons, names):
    """Prefer the longer response; every comparison costs two tokens."""
    lengths = [(len(first), len(second)) for _, first, second in comparisons]
    return Preferences([first / (first + second) for first, second in lengths], 2 * len(lengths))


def test_anything_that_compares_can_rank(responses):
    for method in ("round_robin", "tournament"):
        chunks: list[pl.DataFrame] = []
        settings = RankingSettings(method=method)
        compared, tokens = rank_by(by_length, responses, settings, commit=chunks.append)
        assert tokens == 2 * compared
        rows = pl.concat(chunks).join(responses, on=["prompt_id", "response_index"])
        for prompt in rows.sort("reward").partition_by("prompt_id"):
            assert prompt["response"][-1] == "the cat is a cat ."
            assert prompt["response"][0] == "red"


def test_no_responses_are_no_chunks(responses):
    chunks: list[pl.DataFrame] = []
    found = rank_by(by_length, responses.clear(), RankingSettings(), commit=chunks.append)
    assert (found, chunks) == ((0, 0), [])


def refused(responses, **settings):
    """Rank with the longer response as the better one; the rows and the error."""
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError) as error:
        rank_by(by_length, responses, RankingSettings(**settings), commit=chunks.append)
    return chunks, str(error.value)


def test_a_response_that_comes_twice_is_named(responses):
    twice = pl.concat([responses, responses.filter(prompt_id="p1").head(1)])
    chunks, message = refused(twice)
    assert "prompts without rewards: 1 of 3" in message
    assert "prompt p1 has a response twice" in message
    assert sorted(pl.concat(chunks)["prompt_id"].unique()) == ["p0", "p2"]


def test_an_empty_response_is_ranked_as_any_other(responses):
    chunks = []
    empty = responses.with_columns(
        response=pl.when(prompt_id="p0", response_index=4).then(pl.lit("")).otherwise("response")
    )
    rank_by(by_length, empty, RankingSettings(), commit=chunks.append)
    assert pl.concat(chunks).height == responses.height


def test_a_response_without_text_is_named(responses):
    without = responses.with_columns(
        response=pl.when(prompt_id="p0", response_index=4).then(None).otherwise("response")
    )
    chunks, message = refused(without)
    assert "prompt p0, response 4 has no text" in message
    assert pl.concat(chunks).height == 10


def test_a_chunk_without_any_reward_ends_the_run(responses):
    none = responses.with_columns(response=pl.lit(None, pl.String))
    chunks, message = refused(none, chunk_prompts=1)
    assert chunks == []
    assert "prompts without rewards: 1 of 1" in message


def test_a_comparison_that_does_not_fit_costs_no_other_prompt(preference_folder, responses):
    long = responses.with_columns(
        response=pl.when(prompt_id="p2", response_index=3)
        .then(pl.lit("cat " * 60))
        .otherwise("response")
    )
    chunks: list[pl.DataFrame] = []
    with pytest.raises(InputError, match=r"context: prompt p2, responses . and .:"):
        rank(long, preference_folder, RankingSettings(), dtype="float32", commit=chunks.append)
    whole = pl.concat(ranked(responses, preference_folder)[0])
    keys = ["prompt_id", "response_index"]
    both = pl.concat(chunks).join(whole, on=keys, suffix="_whole")
    assert both.height == 10
    assert both["reward"].to_list() == pytest.approx(both["reward_whole"].to_list(), abs=1e-6)


def test_pairs_are_compared_from_chosen_to_rejected(preference_folder, preference_pairs):
    compared = rank_pairs(preference_pairs, preference_folder, RankingSettings(), dtype="float32")
    turned = preference_pairs.rename({"chosen": "rejected", "rejected": "chosen"})
    back = rank_pairs(turned, preference_folder, RankingSettings(), dtype="float32")
    assert compared["pair_id"].equals(preference_pairs["pair_id"])
    assert compared["chosen_reward"].to_list() == back["rejected_reward"].to_list()
    sums = compared["chosen_reward"] + compared["rejected_reward"]
    assert sums.to_list() == [1.0] * preference_pairs.height
    model = load_preference_model(preference_folder, "float32")
    for row, reward in zip(
        preference_pairs.iter_rows(named=True), compared["chosen_reward"], strict=True
    ):
        sides = [row[side][0]["content"] for side in ("chosen", "rejected")]
        alone = compare_responses(model, [(row["prompt"], *sides)], ["p"], batch_tokens=8192)
        assert reward == pytest.approx(alone.probabilities[0], abs=1e-6)
