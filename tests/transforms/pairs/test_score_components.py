"""Parts of a weighted sum on a real lake: stored, resumed, added, copied, removed."""

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import find_unscored
from transforms.pairs.reuse import adopt_scores
from transforms.pairs.score_components import Component, sum_components, sum_pair_rewards

KEYS = {"ranker": "both", "ranker_id": "sum", "ranking_id": "settings"}
WEIGHTS = {"long": 1.0, "right": -2.0}
SLICE = {"experiment": "a", "iteration": 1}


@pytest.fixture
def lake(tmp_path):
    """Two responses to one prompt, in two experiments."""
    lake = Lake(tmp_path / "lake")
    prompt = {"prompt_id": "p", "source": "s", "prompt": [{"role": "user", "content": "Why?"}]}
    lake.append("prompts", pl.DataFrame([prompt], schema=schema_of("prompts")))
    generations = [
        {"experiment": experiment, "iteration": 1, "prompt_id": "p", "response_index": index,
         "response": text, "policy_id": "policy", "sampling_id": "sampling"}
        for experiment in "ab"
        for index, text in enumerate(("first", "second"))
    ]  # fmt: skip
    lake.append("generations", pl.DataFrame(generations, schema=schema_of("generations")))
    return lake


def rewards(*values):
    return pl.DataFrame(
        [("p", index, value) for index, value in enumerate(values)],
        schema={"prompt_id": pl.String, "response_index": pl.Int32, "reward": pl.Float64},
        orient="row",
    )


def store(lake, name, rows, values):
    part = Component(lake, name, f"{name}_id", WEIGHTS[name], KEYS)
    part.commit(part.find_missing(rows), values)
    return part


def score(lake, rows):
    found = sum_components(lake, rows, WEIGHTS, KEYS)
    columns = {**SLICE, **KEYS, "policy_id": "policy", "sampling_id": "sampling"}
    scores = found.with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    lake.append("scores", scores.cast({"iteration": pl.Int32}).select(list(schema_of("scores"))))


def test_the_parts_are_weighted_and_added(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name, values in (("long", (3.0, 1.0)), ("right", (1.0, 0.5))):
        store(lake, name, rows, rewards(*values))
    assert sum_components(lake, rows, WEIGHTS, KEYS).rows() == [("p", 0, 1.0), ("p", 1, 0.0)]
    stored = lake.read("score_components", component="right")
    assert stored.select("weight", "component_id", "reward").rows() == [
        (-2.0, "right_id", 1.0),
        (-2.0, "right_id", 0.5),
    ]


def test_a_killed_run_continues_with_the_missing_rows_of_a_part(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    part = store(lake, "long", rows, rewards(3.0))
    assert part.find_missing(rows)["response_index"].to_list() == [1]
    other = Component(lake, "long", "another model", 1.0, KEYS)
    assert other.find_missing(rows).height == 2


def test_parts_of_another_ranker_are_removed_with_its_scores(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name in WEIGHTS:
        store(lake, name, rows, rewards(1.0, 2.0))
    score(lake, rows)
    assert find_unscored(lake, "sum", "settings", **SLICE).is_empty()
    assert lake.read("score_components", **SLICE).height == 4
    assert find_unscored(lake, "reward_model", "settings", **SLICE).height == 2
    assert lake.read("score_components", **SLICE).is_empty()


def test_copied_scores_have_their_parts(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name in WEIGHTS:
        store(lake, name, rows, rewards(1.0, 2.0))
    score(lake, rows)
    mine = {"experiment": "b", "iteration": 1}
    unscored = find_unscored(lake, "sum", "settings", **mine)
    assert adopt_scores(lake, "sum", "settings", unscored, **mine) == {"a": 2}
    order = ["prompt_id", "response_index", "component"]
    parts = [lake.read("score_components", **one).sort(order) for one in (SLICE, mine)]
    assert parts[0].drop("experiment").equals(parts[1].drop("experiment"))
    assert parts[0].height == 4


def test_a_pair_that_one_part_cannot_score_has_no_reward():
    def scored(**pairs):
        return pl.DataFrame(
            [(pair, *sides) for pair, sides in pairs.items()],
            schema=["pair_id", "chosen_reward", "rejected_reward"],
            orient="row",
        )

    dropped = pl.DataFrame({"row_key": ["y"], "reason": ["too_long"], "evidence": ["9 tokens"]})
    found, without = sum_pair_rewards(
        {
            "long": (scored(x=(3.0, 1.0)), dropped),
            "right": (scored(x=(1.0, 0.5), y=(1.0, 0.0)), dropped.clear()),
        },
        WEIGHTS,
    )
    assert found.rows() == [("x", 1.0, 0.0)]
    assert without["row_key"].to_list() == ["y"]
