import polars as pl
import pytest

from transforms.lake.lake import Lake
from transforms.lake.schemas import schema_of
from transforms.pairs.responses import (
    Keys,
    add_keys,
    add_origin,
    find_missing_prompts,
    find_unscored,
)
from transforms.pairs.reuse import adopt_responses, adopt_scores
from transforms.pairs.sampler_places import Draw

DRAWS = [Draw(0, "current", 0, 2, 1.0, 1.0)]


def keys(experiment, policy_id="pi", sampling_id="s", iteration=1):
    return Keys(experiment, iteration, policy_id, sampling_id, DRAWS, 2)


def drawn(prompts, said="as {} {}", indices=(0, 1)):
    rows = [
        {"prompt_id": p, "response_index": n, "response": said.format(p, n)}
        for p in prompts
        for n in indices
    ]
    stamped = ("experiment", "iteration", "policy_id", "sampling_id", "sampler", "sampler_policy")
    schema = {
        name: kind for name, kind in schema_of("generations").items() if name not in (*stamped, "n")
    }
    return pl.DataFrame(rows, schema=schema)


@pytest.fixture
def lake(tmp_path):
    lake = Lake(tmp_path)
    message = [{"role": "user", "content": "?"}]
    prompts = [{"prompt_id": p, "source": "s", "prompt": message, "prompt_chars": 1} for p in "pqr"]
    lake.append("prompts", pl.DataFrame(prompts, schema=schema_of("prompts")))
    splits = [{"prompt_id": p, "split": "iteration_1"} for p in "pqr"]
    lake.append("prompt_splits", pl.DataFrame(splits, schema=schema_of("prompt_splits")))
    return lake


def adopt(lake, wanted, experiments):
    (missing,) = find_missing_prompts(lake, [wanted], ["iteration_1"])
    return adopt_responses(lake, wanted, missing, experiments)


def test_responses_of_an_equal_sampling_are_copied_and_nothing_else_changes(lake):
    theirs = keys("a").add_to(drawn("pq"))
    lake.append("generations", theirs)
    assert adopt(lake, keys("b"), ["a"]) == {"a": 4}
    mine = lake.read("generations", experiment="b")
    order = ["prompt_id", "response_index"]
    assert mine.drop("experiment").sort(order).equals(theirs.drop("experiment").sort(order))
    (left,) = find_missing_prompts(lake, [keys("b")], ["iteration_1"])
    assert left["prompt_id"].to_list() == ["r"]
    assert adopt(lake, keys("b"), ["a"]) == {}


def test_a_prompt_is_taken_from_one_experiment_and_whole(lake):
    lake.append("generations", keys("a").add_to(drawn("p")))
    lake.append("generations", keys("b").add_to(drawn("pq", said="other {} {}")))
    lake.append("generations", keys("b").add_to(drawn("r", indices=(0,))))
    assert adopt(lake, keys("c"), ["a", "b"]) == {"a": 2, "b": 2}
    texts = lake.read("generations", experiment="c").sort("prompt_id", "response_index")
    assert texts["response"].to_list() == ["as p 0", "as p 1", "other q 0", "other q 1"]


@pytest.mark.parametrize("other", [{"policy_id": "pi_2"}, {"sampling_id": "t"}, {"iteration": 2}])
def test_responses_of_another_policy_sampling_or_iteration_stay(lake, other):
    lake.append("generations", keys("a", **other).add_to(drawn("p")))
    assert adopt(lake, keys("b"), ["a"]) == {}


def test_only_named_experiments_are_asked(lake):
    lake.append("generations", keys("a").add_to(drawn("p")))
    assert adopt(lake, keys("b"), []) == {}


SLICE = {"experiment": "b", "iteration": 1}


def score(lake, experiment, **ranker):
    slice_ = {"experiment": experiment, "iteration": 1}
    rows = find_unscored(lake, "rm", "r", **slice_)
    rewards = rows.select("prompt_id", "response_index", reward=pl.int_range(pl.len()) * 1.0)
    columns = {"ranker": "reward_model", "ranker_id": "rm", "ranking_id": "r", **ranker}
    scores = add_keys(add_origin(rewards, rows), **columns, **slice_)
    lake.append("scores", scores.select(list(schema_of("scores"))))


def test_scores_of_equal_responses_are_copied(lake):
    lake.append("generations", keys("a").add_to(drawn("pqr")))
    score(lake, "a")
    lake.append("generations", keys("b").add_to(drawn("pq")))
    missing = find_unscored(lake, "rm", "r", **SLICE)
    assert adopt_scores(lake, "rm", "r", missing, **SLICE) == {"a": 4}
    assert find_unscored(lake, "rm", "r", **SLICE).is_empty()
    mine, theirs = (
        lake.read("scores", experiment=e).sort("prompt_id", "response_index").drop("experiment")
        for e in "ba"
    )
    assert mine.equals(theirs.filter(pl.col("prompt_id") != "r"))
    assert adopt_scores(lake, "rm", "r", find_unscored(lake, "rm", "r", **SLICE), **SLICE) == {}


def test_a_prompt_with_one_other_text_is_scored_again(lake):
    """On a GPU, two runs of one sampling may differ; a pairwise reward depends on all texts."""
    lake.append("generations", keys("a").add_to(drawn("pq")))
    score(lake, "a")
    changed = drawn("pq").with_columns(
        response=pl.when(prompt_id="q", response_index=1)
        .then(pl.lit("another"))
        .otherwise("response")
    )
    lake.append("generations", keys("b").add_to(changed))
    missing = find_unscored(lake, "rm", "r", **SLICE)
    assert adopt_scores(lake, "rm", "r", missing, **SLICE) == {"a": 2}
    assert find_unscored(lake, "rm", "r", **SLICE)["prompt_id"].unique().to_list() == ["q"]


@pytest.mark.parametrize("ranker", [{"ranker_id": "other"}, {"ranking_id": "other"}])
def test_scores_of_another_ranker_stay(lake, ranker):
    lake.append("generations", keys("a").add_to(drawn("p")))
    score(lake, "a", **ranker)
    lake.append("generations", keys("b").add_to(drawn("p")))
    missing = find_unscored(lake, "rm", "r", **SLICE)
    assert adopt_scores(lake, "rm", "r", missing, **SLICE) == {}


def test_a_score_whose_response_has_changed_since_is_not_copied(lake):
    lake.append("generations", keys("a", policy_id="old").add_to(drawn("p")))
    score(lake, "a")
    lake.overwrite("generations", keys("a").add_to(drawn("p")), experiment="a", iteration=1)
    lake.append("generations", keys("b").add_to(drawn("p")))
    missing = find_unscored(lake, "rm", "r", **SLICE)
    assert adopt_scores(lake, "rm", "r", missing, **SLICE) == {}
