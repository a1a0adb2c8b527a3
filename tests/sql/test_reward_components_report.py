"""Which part of a weighted sum decided: pairs of literal rewards."""

import polars as pl
import pytest

from transforms.lake.schemas import schema_of
from transforms.views.query import connect_frames, report

WEIGHTS = {"model": 1.0, "short": -0.5}


def rows_of(rewards, experiment="a"):
    """Rows of `score_components` of {prompt: [(model, short) per response]}."""
    return [
        {"experiment": experiment, "iteration": 1, "prompt_id": prompt, "response_index": index,
         "ranker": "both", "component": name, "component_id": name,
         "component_ranking_id": "r", "weight": weight, "reward": float(reward)}
        for prompt, responses in rewards.items()
        for index, parts in enumerate(responses)
        for (name, weight), reward in zip(WEIGHTS.items(), parts, strict=True)
    ]  # fmt: skip


def pair(prompt, chosen, rejected, experiment="a"):
    return {"experiment": experiment, "iteration": 1, "prompt_id": prompt,
            "chosen_response_index": chosen, "rejected_response_index": rejected}  # fmt: skip


def components(rows, pairs):
    frames = {
        "score_components": pl.DataFrame(rows, schema=schema_of("score_components")),
        "dpo_pairs": pl.DataFrame(pairs, schema=schema_of("dpo_pairs")),
    }
    with connect_frames(frames) as connection:
        return report(connection, "reward_components")


def test_the_part_with_the_largest_contribution_decided():
    rewards = {
        "p": [(3, 4), (0, 0)],  # model +3, short -2: the model decided against it
        "q": [(1, 0), (0, 6)],  # model +1, short +3: both agree, short decided
    }
    found = components(rows_of(rewards), [pair("p", 0, 1), pair("q", 0, 1)])
    model, short = found.to_dicts()
    assert (model["component"], short["component"]) == ("model", "short")
    assert (model["pairs"], model["weight"], short["weight"]) == (2, 1.0, -0.5)
    assert (model["decided_share"], short["decided_share"]) == (0.5, 0.5)
    assert (model["pivotal_share"], short["pivotal_share"]) == (0.5, 0.0)
    assert (model["opposed_share"], short["opposed_share"]) == (0.0, 0.5)
    assert (model["contribution"], short["contribution"]) == (2.0, 0.5)
    assert model["contribution_se"] == pytest.approx(1.0)
    assert model["spread"] == pytest.approx(pl.Series([3, 0, 1, 0]).std())


def test_equal_contributions_go_to_the_first_by_name_and_both_are_pivotal_alone():
    tied = {"p": [(1, 0), (0, 2)]}
    model, short = components(rows_of(tied), [pair("p", 0, 1)]).to_dicts()
    assert (model["decided_share"], short["decided_share"]) == (1.0, 0.0)
    alone = {"p": [(1, 0), (0, 0)]}
    model, short = components(rows_of(alone), [pair("p", 0, 1)]).to_dicts()
    assert (model["pivotal_share"], short["pivotal_share"]) == (1.0, 0.0)


def test_an_experiment_without_a_sum_has_no_rows():
    rewards = {"p": [(1, 0), (0, 2)]}
    assert components(rows_of(rewards, "a"), [pair("p", 0, 1, "b")]).is_empty()
