"""Parts of a weighted sum on a real lake: stored, resumed, added, copied, removed."""

import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import find_unscored
from transforms.pairs.reuse import adopt_scores
from transforms.pairs.score_components import (
    Component,
    Identity,
    set_weights,
    sum_components,
    sum_pair_rewards,
)

KEYS = {"ranker": "both", "ranker_id": "sum", "ranking_id": "settings"}
WEIGHTS = {"long": 1.0, "right": -2.0}
PARTS = [Identity(name, f"{name}_id", "settings") for name in WEIGHTS]
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
    identity = next(one for one in PARTS if one.component == name)
    part = Component(lake, identity, "both", WEIGHTS[name])
    with part.append_chunks(part.find_missing(rows)) as append:
        append(values)
    return part


def score(lake, rows):
    found = sum_components(lake, rows, WEIGHTS, PARTS)
    columns = {**SLICE, **KEYS, "policy_id": "policy", "sampling_id": "sampling"}
    scores = found.with_columns(**{name: pl.lit(value) for name, value in columns.items()})
    lake.append("scores", scores.cast({"iteration": pl.Int32}).select(list(schema_of("scores"))))


def test_the_parts_are_weighted_and_added(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name, values in (("long", (3.0, 1.0)), ("right", (1.0, 0.5))):
        store(lake, name, rows, rewards(*values))
    assert sum_components(lake, rows, WEIGHTS, PARTS).rows() == [("p", 0, 1.0), ("p", 1, 0.0)]
    stored = lake.read("score_components", component="right")
    assert stored.select("weight", "component_id", "reward").rows() == [
        (-2.0, "right_id", 1.0),
        (-2.0, "right_id", 0.5),
    ]


def test_a_killed_run_continues_with_the_missing_rows_of_a_part(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    part = store(lake, "long", rows, rewards(3.0))
    assert part.find_missing(rows)["response_index"].to_list() == [1]
    for other in (Identity("long", "another", "settings"), Identity("long", "long_id", "others")):
        assert Component(lake, other, "both", 1.0).find_missing(rows).height == 2


def test_parts_of_another_ranker_are_removed_with_its_scores(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name in WEIGHTS:
        store(lake, name, rows, rewards(1.0, 2.0))
    score(lake, rows)
    assert find_unscored(lake, "sum", "settings", PARTS, **SLICE).is_empty()
    assert lake.read("score_components", **SLICE).height == 4
    assert find_unscored(lake, "another sum", "settings", PARTS[:1], **SLICE).height == 2
    assert set(lake.read("score_components", **SLICE)["component"]) == {"long"}
    assert find_unscored(lake, "reward_model", "settings", **SLICE).height == 2
    assert lake.read("score_components", **SLICE).is_empty()


def test_another_weight_is_written_to_the_stored_parts(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name, values in (("long", (3.0, 1.0)), ("right", (1.0, 0.5))):
        store(lake, name, rows, rewards(*values))
    set_weights(lake, rows, "both", WEIGHTS)
    version = lake.version("score_components")
    set_weights(lake, rows, "both", WEIGHTS)
    assert lake.version("score_components") == version
    set_weights(lake, rows, "halved", {"long": 0.5, "right": -2.0})
    stored = lake.read("score_components", component="long")
    assert stored.select("ranker", "weight", "reward").rows() == [
        ("halved", 0.5, 3.0),
        ("halved", 0.5, 1.0),
    ]
    assert lake.read("score_components", component="right")["weight"].to_list() == [-2.0, -2.0]


def test_copied_scores_have_their_parts(lake):
    rows = find_unscored(lake, "sum", "settings", **SLICE)
    for name in WEIGHTS:
        store(lake, name, rows, rewards(1.0, 2.0))
    score(lake, rows)
    mine = {"experiment": "b", "iteration": 1}
    unscored = find_unscored(lake, "sum", "settings", PARTS, **mine)
    # one of the parts is there already, of a run that was killed
    store(lake, "long", unscored, rewards(1.0, 2.0))
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
