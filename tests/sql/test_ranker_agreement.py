import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report


def table(name, rows):
    return pl.DataFrame(rows, schema=schema_of(name))


def responses(experiment, texts=("x", "y", "z")):
    return [
        {"experiment": experiment, "iteration": 1, "prompt_id": prompt, "response_index": n,
         "response": text}
        for prompt in "pq"
        for n, text in enumerate(texts)
    ]  # fmt: skip


def scores(experiment, ranker, rewards, ranking_id="r"):
    return [
        {"experiment": experiment, "iteration": 1, "prompt_id": prompt, "response_index": n,
         "ranker": ranker, "ranker_id": ranker, "ranking_id": ranking_id, "reward": reward}
        for prompt, values in rewards.items()
        for n, reward in enumerate(values)
    ]  # fmt: skip


def agreement(generations, scored):
    frames = {"generations": table("generations", generations), "scores": table("scores", scored)}
    with connect_frames(frames) as connection:
        return report(connection, "ranker_agreement")


def test_best_worst_and_correlation():
    found = agreement(
        responses("a") + responses("b"),
        scores("a", "reward_model", {"p": [1.0, 2.0, 3.0], "q": [1.0, 2.0, 3.0]})
        + scores("b", "judge", {"p": [0.0, 0.5, 1.0], "q": [0.0, 1.0, 0.5]}),
    )
    row = found.row(0, named=True)
    assert found.height == 1
    assert (row["ranker"], row["other_ranker"], row["prompts"]) == ("reward_model", "judge", 2)
    assert (row["same_best"], row["same_worst"]) == (0.5, 1.0)
    assert row["same_by_chance"] == pytest.approx(1 / 3)
    assert row["mean_correlation"] == pytest.approx((1.0 + 0.5) / 2)
    errors = [row[f"{name}_se"] for name in ("same_best", "same_worst", "mean_correlation")]
    assert errors == pytest.approx([0.5, 0.0, 0.25])


def test_two_ways_to_rank_by_one_model_are_compared():
    rewards = {"p": [1.0, 2.0, 3.0]}
    found = agreement(
        responses("a") + responses("b"),
        scores("a", "preference_model", rewards, "round_robin")
        + scores("b", "preference_model", rewards, "tournament"),
    )
    assert found["same_best"].to_list() == [1.0]


def test_other_responses_and_the_same_ranking_are_not_compared():
    rewards = {"p": [1.0, 2.0, 3.0]}
    other = responses("b", ("u", "v", "w")) + responses("c")
    found = agreement(
        responses("a") + other,
        scores("a", "rm", rewards) + scores("b", "judge", rewards) + scores("c", "rm", rewards),
    )
    assert found.is_empty()


def test_of_equal_rewards_the_first_is_the_best_and_the_last_the_worst():
    """As in `dpo_pairs`: `a` picks x as best and z as worst."""
    found = agreement(
        responses("a") + responses("b"),
        scores("a", "verifier", {"p": [1.0, 1.0, 1.0]})
        + scores("b", "judge", {"p": [3.0, 2.0, 1.0]}),
    )
    assert found.select("same_best", "same_worst").row(0) == (1.0, 1.0)
